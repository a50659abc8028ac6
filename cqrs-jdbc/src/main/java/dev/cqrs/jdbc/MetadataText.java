package dev.cqrs.jdbc;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.cqrs.message.Metadata;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Metadata as a JSON object of strings.
 *
 * <p><b>Threads:</b> no state.
 */
final class MetadataText {

    private static final JsonMapper JSON = JacksonEventCodec.anyLength();
    private static final ObjectWriter WRITER = JSON.writer();
    private static final ObjectReader READER = JSON.readerFor(new TypeReference<Map<String, String>>() {});

    private MetadataText() {}

    /** Gives {@code null} for none. */
    static @Nullable String write(Metadata metadata) {
        var entries = metadata.entries();
        if (entries.isEmpty()) {
            return null;
        }
        entries.forEach((key, value) -> {
            Texts.check("The metadata key \"" + key + "\"", key);
            Texts.check("The metadata value of \"" + key + "\"", value);
        });
        try {
            return WRITER.writeValueAsString(entries);
        } catch (JsonProcessingException impossible) { // for strings that were checked
            throw new IllegalStateException(impossible);
        }
    }

    static Metadata read(@Nullable String json) {
        if (json == null) {
            return Metadata.none();
        }
        try {
            return Metadata.of(READER.readValue(json));
        } catch (JsonProcessingException changed) {
            throw new IllegalStateException(
                    "The metadata of a stored event is no JSON object of strings. Was the table changed by hand?",
                    changed);
        }
    }
}
