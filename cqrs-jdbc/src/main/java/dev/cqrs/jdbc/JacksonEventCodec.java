package dev.cqrs.jdbc;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerationException;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.BeanDescription;
import com.fasterxml.jackson.databind.DeserializationConfig;
import com.fasterxml.jackson.databind.DeserializationContext;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JavaType;
import com.fasterxml.jackson.databind.JsonDeserializer;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.JsonSerializer;
import com.fasterxml.jackson.databind.KeyDeserializer;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.fasterxml.jackson.databind.SerializationConfig;
import com.fasterxml.jackson.databind.SerializerProvider;
import com.fasterxml.jackson.databind.cfg.CoercionAction;
import com.fasterxml.jackson.databind.cfg.CoercionInputShape;
import com.fasterxml.jackson.databind.cfg.MapperConfig;
import com.fasterxml.jackson.databind.cfg.MutableCoercionConfig;
import com.fasterxml.jackson.databind.deser.AbstractDeserializer;
import com.fasterxml.jackson.databind.deser.BeanDeserializerBase;
import com.fasterxml.jackson.databind.deser.BeanDeserializerModifier;
import com.fasterxml.jackson.databind.deser.DefaultDeserializationContext;
import com.fasterxml.jackson.databind.deser.std.NumberDeserializers;
import com.fasterxml.jackson.databind.deser.std.StdScalarDeserializer;
import com.fasterxml.jackson.databind.introspect.AccessorNamingStrategy;
import com.fasterxml.jackson.databind.introspect.AnnotatedClass;
import com.fasterxml.jackson.databind.introspect.AnnotatedMethod;
import com.fasterxml.jackson.databind.introspect.DefaultAccessorNamingStrategy;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.ser.BeanSerializerModifier;
import com.fasterxml.jackson.databind.ser.std.StdScalarSerializer;
import com.fasterxml.jackson.databind.ser.std.ToStringSerializer;
import com.fasterxml.jackson.databind.type.LogicalType;
import dev.cqrs.event.EventCodec;
import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.Period;
import java.time.YearMonth;
import java.util.Currency;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Keeps events as JSON, for records of strings, booleans, numbers, enums, UUIDs, days and times, lists, sets, maps and
 * records of these.
 *
 * <p>Days and times are texts in ISO 8601, as they print themselves: {@link Instant}, {@link LocalDate}, {@link LocalTime},
 * {@link LocalDateTime}, {@link OffsetDateTime}, {@link YearMonth}, {@link Duration}, {@link Period}.
 *
 * <p>It is strict: a field too many or too few, a fraction where a whole number belongs, a number too large for its type, a
 * text where a number belongs are refused instead of mended in silence, so that a class that was changed without a new
 * revision is noticed by the first test. Where a {@code double} or {@code float} belongs, the nearest of those is read. What
 * could not be read again is not written: a part whose type is an interface (also a sealed one), an abstract class,
 * {@link Object}, {@link Number} or a type parameter that stands for any class, also within a list or a map; an
 * {@code Optional}; a map's key that prints itself otherwise than it is made, as a record does, or that is no text where the
 * type does not say what it is. Of a record its components are written, whatever further methods it has. Annotations on the
 * events are not read, so none can put a class name into the JSON.
 *
 * <p>Numbers come back as they were, also from a database that keeps them as decimals: a {@link BigDecimal} of a negative
 * scale, such as {@code 1E+3}, and a {@code double} or {@code float} that is {@code -0.0} are written as texts, except in an
 * array of primitives. So are NaN and the infinite ones. An {@link dev.cqrs.event.Upcaster} sees such a text where other
 * events have a number.
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

    private static final String NEGATIVE_ZERO = "-0.0";

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
            .accessorNaming(new Components())
            .withCoercionConfig(
                    LogicalType.Textual,
                    texts -> texts.setCoercion(CoercionInputShape.Integer, CoercionAction.Fail)
                            .setCoercion(CoercionInputShape.Float, CoercionAction.Fail)
                            .setCoercion(CoercionInputShape.Boolean, CoercionAction.Fail))
            .withCoercionConfig(UUID.class, JacksonEventCodec::neverEmpty)
            .withCoercionConfig(Currency.class, JacksonEventCodec::neverEmpty)
            .addModule(module())
            .build();

    /** An empty text would be read as {@code null}. */
    private static void neverEmpty(MutableCoercionConfig texts) {
        texts.setCoercion(CoercionInputShape.EmptyString, CoercionAction.Fail);
    }

    /** A mapper that reads texts of whichever length, and is nothing else than usual. */
    static JsonMapper anyLength() {
        return JsonMapper.builder(
                        JsonFactory.builder().streamReadConstraints(ANY_LENGTH).build())
                .build();
    }

    /** For documents, in which a text could not be told from a number. */
    private static final String AS_NUMBERS = "numbers";

    private static final ObjectWriter DOCUMENTS = JSON.writer().withAttribute(AS_NUMBERS, true);

    /** Is asked what can be read again. It knows of parts that are written no more and are read where they were. */
    private static final ObjectMapper CHECKING =
            JSON.copy().registerModule(new SimpleModule("checking").setDeserializerModifier(new Told()));

    /** Whether values of a class can be read again: looked at once for each, when the first is written. */
    private static final ClassValue<Boolean> READABLE = new ClassValue<>() {

        @Override
        protected Boolean computeValue(Class<?> type) {
            try {
                deserialization(CHECKING).findRootValueDeserializer(CHECKING.constructType(type));
                return true;
            } catch (JsonMappingException cannot) {
                throw cannotWrite(type, cannot); // and is looked at again at the next
            }
        }
    };

    private static DeserializationContext deserialization(ObjectMapper mapper) {
        var blueprint = (DefaultDeserializationContext) mapper.getDeserializationContext();
        return blueprint.createDummyInstance(mapper.getDeserializationConfig());
    }

    private static SimpleModule module() {
        var module = new SimpleModule()
                .addKeySerializer(String.class, new WholeKeys())
                .addKeySerializer(Character.class, new WholeKeys())
                .setSerializerModifier(new OwnKeys())
                .setDeserializerModifier(new Makeable());
        addIso(module, Instant.class, Instant::parse);
        addIso(module, LocalDate.class, LocalDate::parse);
        addIso(module, LocalTime.class, LocalTime::parse);
        addIso(module, LocalDateTime.class, LocalDateTime::parse);
        addIso(module, OffsetDateTime.class, OffsetDateTime::parse);
        addIso(module, YearMonth.class, YearMonth::parse);
        module.addSerializer(new SignedMonth()).addKeySerializer(YearMonth.class, new SignedMonthKey());
        module.addDeserializer(Byte.class, new SmallByte(Byte.class))
                .addDeserializer(byte.class, new SmallByte(byte.class));
        module.addSerializer(BigDecimal.class, new ExactDecimal())
                .addSerializer(Double.class, new ExactDouble(Double.class))
                .addSerializer(double.class, new ExactDouble(double.class))
                .addSerializer(Float.class, new ExactFloat(Float.class))
                .addSerializer(float.class, new ExactFloat(float.class))
                .addDeserializer(BigDecimal.class, new ReadDecimal())
                .addDeserializer(Double.class, new ReadDouble(Double.class, null))
                .addDeserializer(double.class, new ReadDouble(double.class, 0.0))
                .addDeserializer(Float.class, new ReadFloat(Float.class, null))
                .addDeserializer(float.class, new ReadFloat(float.class, 0.0f));
        addIso(module, Duration.class, Duration::parse);
        addIso(module, Period.class, Period::parse);
        return module;
    }

    private static <T> void addIso(SimpleModule module, Class<T> type, Function<String, T> parse) {
        module.addSerializer(type, ToStringSerializer.instance)
                .addDeserializer(type, new IsoText<>(type, parse))
                .addKeyDeserializer(type, new IsoKey(type, parse));
    }

    /**
     * A value of {@code java.time}; a number where its text belongs is refused.
     *
     * @param <T> the value's class
     */
    private static final class IsoText<T> extends StdScalarDeserializer<T> {

        private static final long serialVersionUID = 1L;

        private final transient Function<String, T> parse;

        IsoText(Class<T> type, Function<String, T> parse) {
            super(type);
            this.parse = parse;
        }

        @Override
        @SuppressWarnings("unchecked") // a handler of unexpected tokens, of which there is none here, would give a T
        public T deserialize(JsonParser json, DeserializationContext context) throws IOException {
            if (!json.hasToken(JsonToken.VALUE_STRING)) {
                return (T) context.handleUnexpectedToken(handledType(), json);
            }
            try {
                return parse.apply(json.getText());
            } catch (DateTimeException wrong) {
                return (T) context.handleWeirdStringValue(handledType(), json.getText(), wrong.getMessage());
            }
        }
    }

    /** The same as the key of a map. */
    private static final class IsoKey extends KeyDeserializer {

        private final Class<?> type;
        private final Function<String, ?> parse;

        IsoKey(Class<?> type, Function<String, ?> parse) {
            this.type = type;
            this.parse = parse;
        }

        @Override
        public Object deserializeKey(String key, DeserializationContext context) throws IOException {
            try {
                return parse.apply(key);
            } catch (DateTimeException wrong) {
                return context.handleWeirdKey(type, key, wrong.getMessage());
            }
        }
    }

    /** A month after the year 9999 prints itself without the sign that is expected where it is read. */
    private static final class SignedMonth extends StdScalarSerializer<YearMonth> {

        private static final long serialVersionUID = 1L;

        SignedMonth() {
            super(YearMonth.class);
        }

        @Override
        public void serialize(YearMonth month, JsonGenerator json, SerializerProvider provider) throws IOException {
            json.writeString(text(month));
        }

        static String text(YearMonth month) {
            return month.getYear() > 9_999 ? "+" + month : month.toString();
        }
    }

    /** The same as the key of a map. */
    private static final class SignedMonthKey extends JsonSerializer<YearMonth> {

        @Override
        public void serialize(YearMonth month, JsonGenerator json, SerializerProvider provider) throws IOException {
            json.writeFieldName(SignedMonth.text(month));
        }
    }

    /** A byte from -128 to 127; Jackson's own reads up to 255, as negative ones. */
    private static final class SmallByte extends StdScalarDeserializer<Byte> {

        private static final long serialVersionUID = 1L;

        SmallByte(Class<Byte> type) {
            super(type);
        }

        @Override
        public Byte deserialize(JsonParser json, DeserializationContext context) throws IOException {
            if (!json.hasToken(JsonToken.VALUE_NUMBER_INT)) {
                return (Byte) context.handleUnexpectedToken(handledType(), json);
            }
            int value = json.getIntValue();
            return value == (byte) value
                    ? (byte) value
                    : (Byte) context.handleWeirdNumberValue(handledType(), value, "expected one from -128 to 127");
        }

        @Override
        public @Nullable Byte getNullValue(DeserializationContext context) throws JsonMappingException {
            return handledType().isPrimitive() ? context.reportInputMismatch(this, "null where a byte belongs") : null;
        }
    }

    private static boolean asNumbers(SerializerProvider provider) {
        return provider.getAttribute(AS_NUMBERS) != null;
    }

    /** Writes 1E+3 as a text, as a database that keeps decimals by their digits would give the number back as 1000. */
    private static final class ExactDecimal extends StdScalarSerializer<BigDecimal> {

        private static final long serialVersionUID = 1L;

        ExactDecimal() {
            super(BigDecimal.class);
        }

        @Override
        public void serialize(BigDecimal value, JsonGenerator json, SerializerProvider provider) throws IOException {
            if (value.scale() < 0 && !asNumbers(provider)) {
                json.writeString(value.toString());
            } else {
                json.writeNumber(value);
            }
        }
    }

    /** Writes -0.0 as a text, as a decimal has one zero only. */
    private static final class ExactDouble extends StdScalarSerializer<Double> {

        private static final long serialVersionUID = 1L;

        ExactDouble(Class<Double> type) {
            super(type);
        }

        @Override
        public void serialize(Double value, JsonGenerator json, SerializerProvider provider) throws IOException {
            if (value.equals(-0.0) && !asNumbers(provider)) {
                json.writeString(NEGATIVE_ZERO);
            } else {
                json.writeNumber(value);
            }
        }
    }

    /** The same of a {@code float}. */
    private static final class ExactFloat extends StdScalarSerializer<Float> {

        private static final long serialVersionUID = 1L;

        ExactFloat(Class<Float> type) {
            super(type);
        }

        @Override
        public void serialize(Float value, JsonGenerator json, SerializerProvider provider) throws IOException {
            if (value.equals(-0.0f) && !asNumbers(provider)) {
                json.writeString(NEGATIVE_ZERO);
            } else {
                json.writeNumber(value);
            }
        }
    }

    /** Reads what {@link ExactDecimal} has written; other texts are no numbers. */
    private static final class ReadDecimal extends NumberDeserializers.BigDecimalDeserializer {

        private static final long serialVersionUID = 1L;

        @Override
        public BigDecimal deserialize(JsonParser json, DeserializationContext context) throws IOException {
            if (json.hasToken(JsonToken.VALUE_STRING)) {
                try {
                    var value = new BigDecimal(json.getText());
                    if (value.scale() < 0 && value.toString().equals(json.getText())) {
                        return value;
                    }
                } catch (NumberFormatException none) { // is told below
                }
            }
            return super.deserialize(json, context);
        }
    }

    /** Reads what {@link ExactDouble} has written; other texts are no numbers, but for NaN and the infinite ones. */
    private static final class ReadDouble extends NumberDeserializers.DoubleDeserializer {

        private static final long serialVersionUID = 1L;

        ReadDouble(Class<Double> type, @Nullable Double none) {
            super(type, none);
        }

        @Override
        public Double deserialize(JsonParser json, DeserializationContext context) throws IOException {
            return isNegativeZero(json) ? Double.valueOf(-0.0) : super.deserialize(json, context);
        }
    }

    /** The same of a {@code float}. */
    private static final class ReadFloat extends NumberDeserializers.FloatDeserializer {

        private static final long serialVersionUID = 1L;

        ReadFloat(Class<Float> type, @Nullable Float none) {
            super(type, none);
        }

        @Override
        public Float deserialize(JsonParser json, DeserializationContext context) throws IOException {
            return isNegativeZero(json) ? Float.valueOf(-0.0f) : super.deserialize(json, context);
        }
    }

    private static boolean isNegativeZero(JsonParser json) throws IOException {
        return json.hasToken(JsonToken.VALUE_STRING) && json.getText().equals(NEGATIVE_ZERO);
    }

    /** Half a character in a key would be written and could not be read again. */
    private static class WholeKeys extends JsonSerializer<Object> {

        @Override
        public void serialize(Object value, JsonGenerator json, SerializerProvider provider) throws IOException {
            var key = value.toString();
            if (!UTF_8.newEncoder().canEncode(key)) {
                throw new JsonGenerationException(
                        "A key of a map holds a lone surrogate; expected valid Unicode. Was a text cut in the middle of a"
                                + " character?",
                        json);
            }
            json.writeFieldName(key);
        }
    }

    /**
     * A key of a class of the application, which is written as it prints itself and read by a constructor of one text: that
     * of a record takes the text for the component, and makes another key.
     */
    private static final class OwnKey extends WholeKeys {

        private final JavaType type;
        /** Found once, as Jackson looks at the class anew each time. */
        private transient volatile @Nullable KeyDeserializer reader;

        OwnKey(JavaType type) {
            this.type = type;
        }

        @Override
        public void serialize(Object value, JsonGenerator json, SerializerProvider provider) throws IOException {
            var context = deserialization(JSON);
            var known = reader;
            if (known == null) {
                known = context.findKeyDeserializer(type, null);
                reader = known;
            }
            var back = known.deserializeKey(value.toString(), context);
            if (!value.equals(back)) {
                throw new JsonGenerationException(
                        "The key " + value + " of a map would be read as " + back + ". Let toString() of "
                                + type.getRawClass() + " give the text of which it is made, or use a text as the key.",
                        json);
            }
            super.serialize(value, json, provider);
        }
    }

    /** A key of whichever class, which is read as a text; so 1 would be read as another key, and perhaps as one that is there. */
    private static final class TextKeys extends WholeKeys {

        @Override
        public void serialize(Object value, JsonGenerator json, SerializerProvider provider) throws IOException {
            if (!(value instanceof String)) {
                throw new JsonGenerationException(
                        "The key " + value + " of a map is of " + value.getClass()
                                + " and would be read as a text. Say in the type of the map of which class its keys are.",
                        json);
            }
            super.serialize(value, json, provider);
        }
    }

    private static final class OwnKeys extends BeanSerializerModifier {

        private static final long serialVersionUID = 1L;

        @Override
        public JsonSerializer<?> modifyKeySerializer(
                SerializationConfig config, JavaType type, BeanDescription description, JsonSerializer<?> serializer) {
            var key = type.getRawClass();
            if (key == Object.class || key == CharSequence.class || key == Serializable.class) {
                return new TextKeys();
            }
            return key.getClassLoader() == null || key.isInterface() || Enum.class.isAssignableFrom(key)
                    ? serializer
                    : new OwnKey(type);
        }
    }

    /** The parts of a record are its components: a method such as {@code isEmpty()} tells of them, and is none. */
    private static final class Components extends DefaultAccessorNamingStrategy.Provider {

        private static final long serialVersionUID = 1L;

        @Override
        public AccessorNamingStrategy forRecord(MapperConfig<?> config, AnnotatedClass type) {
            return new DefaultAccessorNamingStrategy.RecordNaming(config, type) {

                @Override
                public @Nullable String findNameForRegularGetter(AnnotatedMethod method, String name) {
                    return _fieldNames.contains(name) ? name : null;
                }

                @Override
                public @Nullable String findNameForIsGetter(AnnotatedMethod method, String name) {
                    return null;
                }
            };
        }
    }

    /**
     * Refuses a class that nobody could make: an interface, for instance, for which JSON without class names does not say
     * which class is meant. Jackson itself would say so when the first such value is read, which is too late.
     */
    private static final class Makeable extends BeanDeserializerModifier {

        private static final long serialVersionUID = 1L;

        @Override
        public JsonDeserializer<?> modifyDeserializer(
                DeserializationConfig config, BeanDescription description, JsonDeserializer<?> deserializer) {
            if (deserializer instanceof AbstractDeserializer
                    || (deserializer instanceof BeanDeserializerBase made
                            && !made.getValueInstantiator().canInstantiate())) {
                throw new IllegalArgumentException(description.getBeanClass()
                        + " could be written, and not be read again: it is no class that can be made. Use a record in its"
                        + " place, or one field for each case.");
            }
            return deserializer;
        }
    }

    /**
     * Refuses a class of which the JSON does not say what its values were, and of which Jackson would make something else: an
     * int of a long, a text of a day, a map of a record.
     */
    private static final class Told extends BeanDeserializerModifier {

        private static final long serialVersionUID = 1L;

        private static final Set<Class<?>> UNTOLD = Set.of(Object.class, Number.class, Serializable.class);

        @Override
        public JsonDeserializer<?> modifyDeserializer(
                DeserializationConfig config, BeanDescription description, JsonDeserializer<?> deserializer) {
            if (UNTOLD.contains(description.getBeanClass())) {
                throw new IllegalArgumentException(description.getBeanClass()
                        + " could be written, and be read as something else: an int for a long, a text for a day, a map for"
                        + " a record. Use the class that is meant in its place, also within a list or a map, or a record with"
                        + " one field for each case.");
            }
            return deserializer;
        }
    }

    /** Makes a codec; all of them are alike. */
    public JacksonEventCodec() {}

    @Override
    public byte[] encode(Object value) {
        try {
            if (value instanceof Map) { // a document, which is read as a map of whichever class
                return DOCUMENTS.writeValueAsBytes(value);
            }
            READABLE.get(value instanceof Enum<?> constant ? constant.getDeclaringClass() : value.getClass());
            return JSON.writeValueAsBytes(value);
        } catch (IOException cannot) {
            throw cannotWrite(value.getClass(), cannot);
        }
    }

    /**
     * Makes sure that values of a class could be read again; those of a class above all others perhaps, which whoever writes
     * one finds out by reading it.
     *
     * @throws IllegalArgumentException if they could not
     */
    static void checkReadable(Class<?> type) {
        if (!Told.UNTOLD.contains(type)) {
            READABLE.get(type);
        }
    }

    private static IllegalArgumentException cannotWrite(Class<?> type, IOException cause) {
        return new IllegalArgumentException(
                "An object of " + type
                        + " cannot be kept as JSON; expected a record of strings, booleans, numbers, enums,"
                        + " UUIDs, days and times, lists, sets, maps and records of these. The cause names the part.",
                cause);
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
