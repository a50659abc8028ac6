package dev.cqrs.architecture;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static java.util.stream.Collectors.groupingBy;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import dev.cqrs.command.CommandBus;
import dev.cqrs.inmemory.InMemoryCommandBus;
import dev.cqrs.testing.SeededScheduler;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.lang.reflect.AnnotatedArrayType;
import java.lang.reflect.AnnotatedParameterizedType;
import java.lang.reflect.AnnotatedType;
import java.lang.reflect.AnnotatedWildcardType;
import java.lang.reflect.Executable;
import java.lang.reflect.Field;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.DelayQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingDeque;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.LinkedTransferQueue;
import java.util.concurrent.PriorityBlockingQueue;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** The shape of the published code: who may look at whom, how much there may be, and what may not be used. */
class ArchitectureTest {

    private static final Map<String, List<String>> MAY_IMPORT = Map.of(
            "message", List.of(),
            "command", List.of("message"),
            "query", List.of("message"),
            "event", List.of("message"),
            "eventstore", List.of("message", "event"),
            "decider", List.of("message", "command", "event", "eventstore", "projection"),
            "projection", List.of("event", "eventstore"));

    /** The rooms of cqrs-inmemory that look at some rooms of the core only. */
    private static final Map<String, List<String>> ENGINES_MAY_IMPORT = Map.of(
            "task", List.of("event", "eventstore", "projection"),
            "gather", List.of("message", "query", "task"),
            "imports", List.of("message", "event", "eventstore", "runtime", "task"),
            "interceptor", List.of("message", "event", "eventstore", "decider", "task"),
            "journal", List.of("message", "command", "event", "eventstore", "decider", "task"),
            "live", List.of("message", "eventstore", "runtime", "task"),
            "queue", List.of("message", "command", "task"),
            "runtime", List.of("message", "event", "eventstore", "projection", "task"),
            "saga",
                    List.of(
                            "message",
                            "command",
                            "event",
                            "eventstore",
                            "decider",
                            "projection",
                            "interceptor",
                            "runtime",
                            "task"),
            "schedule",
                    List.of(
                            "message",
                            "command",
                            "event",
                            "eventstore",
                            "decider",
                            "projection",
                            "interceptor",
                            "runtime",
                            "task"));

    private static final JavaClasses CORE = classesBeside(CommandBus.class);
    private static final JavaClasses INMEMORY = classesBeside(InMemoryCommandBus.class);
    private static final JavaClasses ALL = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importUrls(List.of(home(CommandBus.class), home(InMemoryCommandBus.class)));

    private static final JavaClasses TESTING = classesBeside(SeededScheduler.class);
    private static final JavaClasses KIT = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .withImportOption(location -> location.contains("/dev/cqrs/testing/"))
            .importUrl(home(SeededScheduler.class));

    private static JavaClasses classesBeside(Class<?> type) {
        return new ClassFileImporter()
                .withImportOption(new ImportOption.DoNotIncludeTests())
                .importUrl(home(type));
    }

    private static URL home(Class<?> type) {
        return type.getProtectionDomain().getCodeSource().getLocation();
    }

    @Test
    void the_rules_see_the_code_they_speak_of() {
        assertThat(CORE).hasSizeGreaterThan(50);
        assertThat(INMEMORY).hasSizeGreaterThan(40);
        assertThat(ALL).hasSize(CORE.size() + INMEMORY.size());
    }

    @Test
    void each_room_of_the_core_looks_only_at_the_rooms_it_may() {
        assertThat(rooms(CORE).keySet()).isEqualTo(new TreeMap<>(MAY_IMPORT).keySet());
        checkImports(MAY_IMPORT, CORE);
    }

    @Test
    void each_engine_looks_only_at_the_rooms_it_may_and_none_at_the_stores_and_buses_in_memory() {
        var all = new TreeSet<>(ENGINES_MAY_IMPORT.keySet());
        all.add("inmemory");
        assertThat(rooms(INMEMORY).keySet()).isEqualTo(all);
        checkImports(ENGINES_MAY_IMPORT, INMEMORY);
    }

    private static void checkImports(Map<String, List<String>> mayImport, JavaClasses where) {
        mayImport.forEach((room, allowed) -> {
            var open = new ArrayList<>(List.of("java..", "org.jspecify..", "jdk.jfr..", "dev.cqrs." + room));
            allowed.forEach(other -> open.add("dev.cqrs." + other));
            classes()
                    .that()
                    .resideInAPackage("dev.cqrs." + room)
                    .should()
                    .onlyDependOnClassesThat(resideInAnyPackage(open.toArray(String[]::new)))
                    .check(where);
        });
    }

    @Test
    void nothing_but_the_jdk_is_used() {
        classes()
                .that(describe(
                        "tell the flight recorder nothing",
                        (JavaClass c) -> !c.getName().contains(".Flight")))
                .should()
                .onlyDependOnClassesThat(resideInAnyPackage("java..", "dev.cqrs..", "org.jspecify.annotations"))
                .check(ALL);
    }

    /** What is not there does no harm while one class alone names it, which asks first. */
    @Test
    void the_flight_recorder_is_known_to_one_class() {
        noClasses()
                .that(describe(
                        "are not Flight and what is in it",
                        (JavaClass c) -> !c.getName().contains(".Flight")))
                .should()
                .dependOnClassesThat(resideInAPackage("jdk.."))
                .check(ALL);
    }

    @Test
    void the_test_kit_looks_at_the_core_alone_and_at_no_test_framework() {
        assertThat(KIT).hasSizeGreaterThan(20);
        var open = new ArrayList<>(List.of("java..", "org.jspecify.annotations", "dev.cqrs.testing"));
        MAY_IMPORT.keySet().forEach(room -> open.add("dev.cqrs." + room));
        classes()
                .should()
                .onlyDependOnClassesThat(resideInAnyPackage(open.toArray(String[]::new)))
                .check(KIT);
        assertThat(rooms(KIT).get("testing")).hasSizeBetween(5, 9);
    }

    @Test
    void rooms_have_no_cycles() {
        slices().matching("dev.cqrs.(*)..").should().beFreeOfCycles().check(ALL);
    }

    @Test
    void the_engines_do_not_know_the_in_memory_implementations() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.cqrs.inmemory")
                .should()
                .dependOnClassesThat(resideInAPackage("dev.cqrs.inmemory"))
                .check(ALL);
    }

    @Test
    void a_room_has_at_most_nine_public_types_and_the_core_forty() {
        rooms(ALL).forEach((room, types) -> assertThat(types).as(room).hasSizeLessThanOrEqualTo(9));
        assertThat(rooms(CORE).values().stream().mapToInt(List::size).sum()).isBetween(25, 40);
    }

    @Test
    void nothing_hides_in_a_thread() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .areAssignableTo(ThreadLocal.class)
                .check(ALL);
    }

    @Test
    void no_thread_is_started_and_no_clock_read_but_the_callers() {
        noClasses()
                .should()
                .callConstructor(Thread.class)
                .orShould()
                .callConstructor(Thread.class, Runnable.class)
                .orShould()
                .callMethod(Thread.class, "start")
                .orShould()
                .callMethod(Thread.class, "sleep", long.class)
                .orShould()
                .dependOnClassesThat()
                .areAssignableTo(Executors.class)
                .orShould()
                .callMethod(System.class, "currentTimeMillis")
                .orShould()
                .callMethod(System.class, "nanoTime")
                .orShould()
                .callMethod(java.time.Instant.class, "now")
                .orShould()
                .callMethod(
                        java.util.concurrent.CompletableFuture.class, "supplyAsync", java.util.function.Supplier.class)
                .check(ALL);
    }

    @Test
    void no_object_is_made_from_a_stream_of_bytes() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .areAssignableTo(ObjectInputStream.class)
                .check(ALL);
    }

    @Test
    void nothing_is_written_to_the_standard_streams() {
        NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS.check(ALL);
        noClasses().should().callMethod(Throwable.class, "printStackTrace").check(ALL);
    }

    @Test
    void no_queue_is_without_a_bound() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .belongToAnyOf(
                        ConcurrentLinkedQueue.class,
                        ConcurrentLinkedDeque.class,
                        LinkedTransferQueue.class,
                        PriorityBlockingQueue.class,
                        DelayQueue.class)
                .orShould()
                .callConstructor(LinkedBlockingQueue.class)
                .orShould()
                .callConstructor(LinkedBlockingDeque.class)
                .check(ALL);
    }

    /** A VarHandle of a field of one's own is a way of writing it; to call something would take a MethodHandle. */
    private static final List<String> FIELD_ACCESS = List.of(
            "java.lang.invoke.VarHandle", "java.lang.invoke.MethodHandles", "java.lang.invoke.MethodHandles$Lookup");

    /** Registering asks classes what they are; nothing is called, made or read by reflection, and nothing when sending. */
    @Test
    void reflection_stays_with_the_wiring() {
        noClasses()
                .that(describe(
                        "are not wiring",
                        (JavaClass c) -> !List.of(
                                        "Registry", "Dispatcher", "Catalog$Builder", "Catalog", "Decider$Builder")
                                .contains(
                                        c.getName().substring(c.getPackageName().length() + 1))))
                .should()
                .dependOnClassesThat(resideInAnyPackage("java.lang.reflect", "java.lang.invoke")
                        .and(describe(
                                "give more than access to a field",
                                (JavaClass c) -> !FIELD_ACCESS.contains(c.getName()))))
                .orShould()
                .callMethod(Class.class, "getMethod", String.class, Class[].class)
                .orShould()
                .callMethod(Class.class, "getPermittedSubclasses")
                .orShould()
                .callMethod(Class.class, "forName", String.class)
                .check(ALL);
    }

    private static final Pattern PUBLIC_TYPE =
            Pattern.compile("^public [^\\n]*\\b(class|interface|record|enum) ", Pattern.MULTILINE);

    /** Whether what stands right before a type, but for its annotations, is Javadoc. */
    private static boolean isDocumented(String text, int type) {
        var before = text.substring(0, type).replaceFirst("(\\n@[^\\n]*)*\\s*$", "");
        return before.endsWith("*/") && before.startsWith("/**", before.lastIndexOf("/*"));
    }

    @Test
    void javadoc_of_a_member_does_not_document_its_type() {
        for (var text : List.of(
                "/* licence */\npublic final class A {\n    /** Gives it. */\n    public int a() { return 1; }\n}",
                "/** What? */\nimport java.util.List;\n\npublic record A() {}",
                "@Deprecated\npublic interface A {}")) {
            assertThat(text.lines().filter(PUBLIC_TYPE.asPredicate())).as(text).hasSize(1);
            var type = PUBLIC_TYPE.matcher(text);
            assertThat(type.find() && isDocumented(text, type.start())).as(text).isFalse();
        }
        var right = "package a;\n\n/** An A. */\n@Deprecated\n@FunctionalInterface\npublic interface A {}";
        assertThat(isDocumented(right, right.indexOf("public"))).isTrue();
    }

    @Test
    void every_exported_type_is_documented() throws IOException {
        var undocumented = new ArrayList<String>();
        int seen = 0;
        for (var module : List.of("cqrs-core", "cqrs-inmemory", "cqrs-testing")) {
            var sources = Path.of("..", module, "src", "main", "java");
            try (var files = Files.walk(sources)) {
                for (var file :
                        files.filter(f -> f.toString().endsWith(".java")).toList()) {
                    var text = Files.readString(file, StandardCharsets.UTF_8);
                    var type = PUBLIC_TYPE.matcher(text);
                    if (type.find()) {
                        seen++;
                        if (!isDocumented(text, type.start())) {
                            undocumented.add(file.toString());
                        }
                    }
                }
            }
        }
        assertThat(undocumented).isEmpty();
        assertThat(seen).isGreaterThan(40);
    }

    /** With the annotation's jar absent, such a signature breaks Kotlin callers. */
    @Test
    void no_exported_signature_may_be_null() {
        assertThat(nullable(ALL)).isEmpty();
        assertThat(nullable(TESTING)).isEmpty();
    }

    /** What the rule must find. */
    @SuppressWarnings("unused")
    public static class Planted<T> {
        public @Nullable String field;

        public Planted(@Nullable String argument) {}

        public List<@Nullable String> result() {
            return List.of();
        }

        protected void argument(Map<String, ? extends Set<@Nullable String>> argument) {}

        public @Nullable String[] array() {
            return new String[0];
        }

        @Nullable
        String unseen() {
            return null;
        }
    }

    @Test
    void what_may_be_null_is_found_wherever_it_stands() {
        assertThat(nullable(new ClassFileImporter().importClasses(Planted.class)))
                .hasSize(5);
    }

    private static List<String> nullable(JavaClasses classes) {
        var found = new ArrayList<String>();
        for (var type : classes) {
            if (!type.getModifiers().contains(JavaModifier.PUBLIC)) {
                continue;
            }
            for (var member : type.getMembers()) {
                if (!member.getModifiers().contains(JavaModifier.PUBLIC)
                        && !member.getModifiers().contains(JavaModifier.PROTECTED)) {
                    continue;
                }
                var types = new ArrayList<AnnotatedType>();
                if (member.reflect() instanceof Field field) {
                    types.add(field.getAnnotatedType());
                } else {
                    var executable = (Executable) member.reflect();
                    types.addAll(List.of(executable.getAnnotatedParameterTypes()));
                    types.add(executable.getAnnotatedReturnType());
                }
                if (types.stream().anyMatch(ArchitectureTest::mayBeNull)) {
                    found.add(member.getFullName());
                }
            }
        }
        return found;
    }

    private static boolean mayBeNull(AnnotatedType type) {
        if (type.isAnnotationPresent(Nullable.class)) {
            return true;
        }
        if (type instanceof AnnotatedArrayType array) {
            return mayBeNull(array.getAnnotatedGenericComponentType());
        }
        if (type instanceof AnnotatedParameterizedType generic) {
            return Stream.of(generic.getAnnotatedActualTypeArguments()).anyMatch(ArchitectureTest::mayBeNull);
        }
        return type instanceof AnnotatedWildcardType wildcard
                && Stream.concat(
                                Stream.of(wildcard.getAnnotatedUpperBounds()),
                                Stream.of(wildcard.getAnnotatedLowerBounds()))
                        .anyMatch(ArchitectureTest::mayBeNull);
    }

    /** So what a module does not export or open is out of reach in the tests as well. */
    @Test
    void tests_run_on_the_module_path() {
        assertThat(CommandBus.class.getModule().getName()).isEqualTo("dev.cqrs.core");
        assertThat(InMemoryCommandBus.class.getModule().getName()).isEqualTo("dev.cqrs.inmemory");
    }

    private static Map<String, List<JavaClass>> rooms(JavaClasses classes) {
        return classes.stream()
                .filter(type -> type.getModifiers().contains(JavaModifier.PUBLIC))
                .filter(JavaClass::isTopLevelClass)
                .collect(groupingBy(
                        type -> type.getPackageName().substring("dev.cqrs.".length()),
                        TreeMap::new,
                        java.util.stream.Collectors.toList()));
    }
}
