package dev.cqrs.examples;

import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import dev.cqrs.examples.transfers.Transfers;
import org.junit.jupiter.api.Test;

/** How the classes of the examples hang together. */
class ArchitectureTest {

    /** A class with all that is declared in it. */
    private static final SliceAssignment FILES = new SliceAssignment() {

        @Override
        public SliceIdentifier getIdentifierOf(JavaClass type) {
            return SliceIdentifier.of(type.getName().replaceFirst("\\$.*", ""));
        }

        @Override
        public String getDescription() {
            return "files";
        }
    };

    @Test
    void no_file_is_known_by_what_it_knows() {
        var examples = new ClassFileImporter()
                .withImportOption(new ImportOption.DoNotIncludeTests())
                .importUrl(Transfers.class.getProtectionDomain().getCodeSource().getLocation());

        assertThat(examples).hasSizeGreaterThan(60);
        slices().assignedFrom(FILES).should().beFreeOfCycles().check(examples);
    }
}
