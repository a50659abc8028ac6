package dev.cqrs.jdbc;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerationException;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonSerializer;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializerProvider;
import com.fasterxml.jackson.databind.cfg.CoercionAction;
import com.fasterxml.jackson.databind.cfg.CoercionInputShape;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.type.LogicalType;
import dev.cqrs.event.EventCodec;
import java.io.IOException;
import java.io.UncheckedIOException;

/**
 * Keeps events as JSON, for records of strings, booleans, numbers, enums, lists, maps and records of these.
 *
 * <p>It is strict: a field too many or too few, a number that would be rounded, a text where a number belongs are refused
 * instead of mended in silence, so that a class that was changed without a new revision is noticed by the first test.
 * Annotations on the events are not read, so none can put a class name into the JSON.
 *
 * <p><b>Threads:</b> thread-safe.
 */
public final class JacksonEventCodec implements EventCodec {

    /** What was written can be read: these bytes are our own, and not a stranger's that must be kept small. */
    private static final StreamReadConstraints ANY_LENGTH = StreamReadConstraints.builder()
            .maxNumberLength(Integer.MAX_VALUE)
            .maxStringLength(Integer.MAX_VALUE)
            .maxNameLength(Integer.MAX_VALUE)
            .build();

    private static final ObjectMapper JSON = JsonMapper.builder(
                    JsonFactory.builder().streamReadConstraints(ANY_LENGTH).build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(
                    DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS,
                    DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES,
                    DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES,
                    DeserializationFeature.FAIL_ON_NUMBERS_FOR_ENUMS,
                    DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
            .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS, MapperFeature.USE_ANNOTATIONS)
            .withCoercionConfig(
                    LogicalType.Textual,
                    texts -> texts.setCoercion(CoercionInputShape.Integer, CoercionAction.Fail)
                            .setCoercion(CoercionInputShape.Float, CoercionAction.Fail)
                            .setCoercion(CoercionInputShape.Boolean, CoercionAction.Fail))
            .addModule(new SimpleModule().addKeySerializer(String.class, new WholeKeys()))
            .build();

    /** Half a character in a key would be written and could not be read again. */
    private static final class WholeKeys extends JsonSerializer<String> {

        @Override
        public void serialize(String key, JsonGenerator json, SerializerProvider provider) throws IOException {
            if (!UTF_8.newEncoder().canEncode(key)) {
                throw new JsonGenerationException(
                        "A key of a map holds a lone surrogate; expected valid Unicode. Was a text cut in the middle of a"
                                + " character?",
                        json);
            }
            json.writeFieldName(key);
        }
    }

    /** Makes a codec; all of them are alike. */
    public JacksonEventCodec() {}

    @Override
    public byte[] encode(Object value) {
        try {
            return JSON.writeValueAsBytes(value);
        } catch (IOException cannot) {
            throw new UncheckedIOException("An object of " + value.getClass() + " cannot be written as JSON.", cannot);
        }
    }

    @Override
    public <T> T decode(byte[] payload, Class<T> type) {
        try {
            return JSON.readValue(payload, type);
        } catch (IOException cannot) {
            throw new UncheckedIOException("The bytes are no JSON of " + type + ".", cannot);
        }
    }
}
