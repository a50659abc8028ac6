package dev.cqrs.jdbc;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.io.ObjectInputStream;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingDeque;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What this module may look at, and what it may not do. */
class ArchitectureTest {

    private static final JavaClasses MODULE = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importUrl(
                    JdbcEventStore.class.getProtectionDomain().getCodeSource().getLocation());

    @Test
    void it_looks_at_the_core_and_at_jackson_and_only_where_it_listens_at_the_driver() {
        assertThat(MODULE).hasSizeGreaterThan(30);
        classes()
                .should()
                .onlyDependOnClassesThat(resideInAnyPackage(
                        "java..",
                        "javax.sql",
                        "org.jspecify.annotations",
                        "dev.cqrs.jdbc",
                        "dev.cqrs.message",
                        "dev.cqrs.event",
                        "dev.cqrs.eventstore",
                        "dev.cqrs.projection",
                        "com.fasterxml.jackson..",
                        "org.postgresql",
                        "org.postgresql.util"))
                .check(MODULE);
        noClasses()
                .that()
                .doNotHaveSimpleName("Follower")
                .and()
                .doNotHaveSimpleName("ServerLimit")
                .should()
                .dependOnClassesThat(resideInAnyPackage("org.postgresql.."))
                .check(MODULE);
    }

    @Test
    void it_has_at_most_nine_public_types() {
        assertThat(MODULE.stream()
                        .filter(type -> type.getModifiers().contains(JavaModifier.PUBLIC))
                        .filter(JavaClass::isTopLevelClass))
                .hasSizeLessThanOrEqualTo(9);
    }

    @Test
    void it_starts_no_thread_and_reads_no_clock_of_its_own() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .areAssignableTo(ThreadLocal.class)
                .orShould()
                .dependOnClassesThat()
                .areAssignableTo(Executors.class)
                .orShould()
                .callConstructor(Thread.class, Runnable.class)
                .orShould()
                .callMethod(Thread.class, "start")
                .orShould()
                .callMethod(Thread.class, "sleep", long.class)
                .orShould()
                .callMethod(System.class, "currentTimeMillis")
                .orShould()
                .callMethod(System.class, "nanoTime")
                .orShould()
                .callMethod(java.time.Instant.class, "now")
                .check(MODULE);
    }

    @Test
    void no_class_comes_from_data_and_no_queue_is_without_a_bound() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .areAssignableTo(ObjectInputStream.class)
                .orShould()
                .dependOnClassesThat(resideInAnyPackage("java.lang.reflect", "java.lang.invoke"))
                .orShould()
                .callMethod(Class.class, "forName", String.class)
                .orShould()
                .dependOnClassesThat()
                .belongToAnyOf(ConcurrentLinkedQueue.class, ConcurrentLinkedDeque.class)
                .orShould()
                .callConstructor(LinkedBlockingQueue.class)
                .orShould()
                .callConstructor(LinkedBlockingDeque.class)
                .check(MODULE);
        NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS.check(MODULE);
    }

    /** With the annotation's jar absent, such a signature breaks Kotlin callers. */
    @Test
    void no_exported_signature_may_be_null() {
        List<String> nullable = MODULE.stream()
                .filter(type -> type.getModifiers().contains(JavaModifier.PUBLIC))
                .flatMap(type -> type.getMethods().stream())
                .filter(method -> method.getModifiers().contains(JavaModifier.PUBLIC))
                .map(method -> method.reflect())
                .filter(method -> Stream.concat(
                                Arrays.stream(method.getAnnotatedParameterTypes()),
                                Stream.of(method.getAnnotatedReturnType()))
                        .anyMatch(type -> type.isAnnotationPresent(org.jspecify.annotations.Nullable.class)))
                .map(Object::toString)
                .toList();
        assertThat(nullable).isEmpty();
    }
}
