package dev.cqrs.contract;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import dev.cqrs.event.EventCodec;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.RecordComponent;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A plain codec, a letter for the kind of each value and then the value, correct unless it is given a fault. */
final class FaultyEventCodec implements EventCodec {

    /** What an author of a codec may get wrong, and the test that finds it. */
    enum Fault {
        NONE(""),
        LATIN_LETTERS_ONLY("any_text_comes_back_as_it_was"),
        TEXT_IS_NORMALISED("text_comes_back_in_the_form_of_unicode_it_had"),
        PAYLOADS_END_AT_64_KIB("an_event_of_more_than_64_kib_comes_back_whole"),
        TEXTS_END_AT_65535("an_event_of_more_than_64_kib_comes_back_whole"),
        DECIMALS_ARE_DOUBLES("decimals_in_a_document_keep_their_value"),
        EQUAL_EVENTS_SHARE_AN_ARRAY("what_is_encoded_next_shares_no_array_with_what_was_encoded_before"),
        ARRAYS_ARE_USED_AGAIN("what_is_encoded_next_shares_no_array_with_what_was_encoded_before");

        final String foundBy;

        Fault(String foundBy) {
            this.foundBy = foundBy;
        }
    }

    static volatile Fault faultOfSuite = Fault.NONE;

    /** The suite on this codec; nested, so that surefire does not run it by itself. */
    static class Suite extends EventCodecContract {
        @Override
        protected EventCodec codec() {
            return new FaultyEventCodec(faultOfSuite);
        }
    }

    private static final int KIB_64 = 1 << 16;

    private final Fault fault;
    private final ThreadLocal<byte[]> lastOfThread = ThreadLocal.withInitial(() -> new byte[0]);

    FaultyEventCodec(Fault fault) {
        this.fault = fault;
    }

    @Override
    public byte[] encode(Object value) {
        var bytes = new ByteArrayOutputStream();
        try {
            write(value, new DataOutputStream(bytes));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        var all = bytes.toByteArray();
        var last = lastOfThread.get();
        if (has(Fault.EQUAL_EVENTS_SHARE_AN_ARRAY) && Arrays.equals(all, last)) {
            return last;
        }
        if (has(Fault.ARRAYS_ARE_USED_AGAIN) && all.length == last.length) {
            System.arraycopy(all, 0, last, 0, all.length);
            return last;
        }
        lastOfThread.set(all);
        return has(Fault.PAYLOADS_END_AT_64_KIB) ? Arrays.copyOf(all, Math.min(all.length, KIB_64)) : all;
    }

    @Override
    public <T> T decode(byte[] payload, Class<T> type) {
        var in = new DataInputStream(new ByteArrayInputStream(payload));
        try {
            var value = read(in);
            if (in.available() > 0) {
                throw new IllegalArgumentException("too many bytes");
            }
            return type.cast(type.isRecord() ? event(document(value), type) : document(value));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException(e);
        }
    }

    private boolean has(Fault one) {
        return fault == one;
    }

    private void write(@Nullable Object value, DataOutputStream out) throws IOException {
        if (value == null) {
            out.write('n');
        } else if (value instanceof Boolean flag) {
            out.write(flag ? 't' : 'f');
        } else if (value instanceof Integer || value instanceof Long || value instanceof BigInteger) {
            out.write('i');
            writeText(value.toString(), out);
        } else if (value instanceof BigDecimal decimal) {
            out.write('d');
            writeText(has(Fault.DECIMALS_ARE_DOUBLES) ? "" + decimal.doubleValue() : value.toString(), out);
        } else if (value instanceof String text) {
            out.write('s');
            writeText(text, out);
        } else if (value instanceof List<?> list) {
            out.write('[');
            out.writeInt(list.size());
            for (var element : list) {
                write(element, out);
            }
        } else if (value instanceof Map<?, ?> map) {
            out.write('{');
            out.writeInt(map.size());
            for (var entry : map.entrySet()) {
                writeText((String) entry.getKey(), out);
                write(entry.getValue(), out);
            }
        } else {
            write(fields(value), out);
        }
    }

    private void writeText(String text, DataOutputStream out) throws IOException {
        var bytes = (has(Fault.TEXT_IS_NORMALISED) ? Normalizer.normalize(text, Normalizer.Form.NFC) : text)
                .getBytes(has(Fault.LATIN_LETTERS_ONLY) ? ISO_8859_1 : UTF_8);
        int length = has(Fault.TEXTS_END_AT_65535) ? Math.min(KIB_64 - 1, bytes.length) : bytes.length;
        out.writeInt(length);
        out.write(bytes, 0, length);
    }

    private static Map<String, Object> fields(Object event) {
        var fields = new LinkedHashMap<String, Object>();
        try {
            for (var component : event.getClass().getRecordComponents()) {
                fields.put(component.getName(), component.getAccessor().invoke(event));
            }
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException(e);
        }
        return fields;
    }

    private @Nullable Object read(DataInputStream in) throws IOException {
        char kind = (char) in.readUnsignedByte();
        return switch (kind) {
            case 'n' -> null;
            case 't', 'f' -> kind == 't';
            case 'i' -> whole(new BigInteger(readText(in)));
            case 'd' -> new BigDecimal(readText(in));
            case 's' -> readText(in);
            case '[' -> {
                var list = new ArrayList<@Nullable Object>();
                for (int count = in.readInt(); count > 0; count--) {
                    list.add(read(in));
                }
                yield list;
            }
            case '{' -> {
                var map = new LinkedHashMap<String, @Nullable Object>();
                for (int count = in.readInt(); count > 0; count--) {
                    map.put(readText(in), read(in));
                }
                yield map;
            }
            default -> throw new IllegalArgumentException("no kind: " + kind);
        };
    }

    private String readText(DataInputStream in) throws IOException {
        var bytes = new byte[in.readInt()];
        in.readFully(bytes);
        return new String(bytes, has(Fault.LATIN_LETTERS_ONLY) ? ISO_8859_1 : UTF_8);
    }

    /** As the smallest of the types that hold it. */
    private static Object whole(BigInteger value) {
        if (value.bitLength() < Integer.SIZE) {
            return value.intValue();
        }
        return value.bitLength() < Long.SIZE ? (Object) value.longValue() : value;
    }

    @SuppressWarnings("unchecked") // nothing else is written
    private static Map<String, @Nullable Object> document(@Nullable Object value) {
        if (value instanceof Map<?, ?> map) {
            return (Map<String, @Nullable Object>) map;
        }
        throw new IllegalArgumentException("no document: " + value);
    }

    private static <T> T event(Map<String, @Nullable Object> fields, Class<T> type)
            throws ReflectiveOperationException {
        var components = type.getRecordComponents();
        var names = Stream.of(components).map(RecordComponent::getName).collect(Collectors.toUnmodifiableSet());
        if (!fields.keySet().equals(names)) {
            throw new IllegalArgumentException("fields " + fields.keySet() + " instead of " + names);
        }
        var types = Stream.of(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
        var values = Stream.of(components)
                .map(component ->
                        component.getType() == long.class && fields.get(component.getName()) instanceof Integer i
                                ? (Object) (long) i
                                : fields.get(component.getName()))
                .toArray();
        return type.getDeclaredConstructor(types).newInstance(values);
    }
}
