package dev.cqrs.event;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.lang.reflect.RecordComponent;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A codec for tests: records of strings, numbers and lists, and documents, as JSON without frills. */
final class PlainCodec implements EventCodec {

    @Override
    public byte[] encode(Object value) {
        var text = new StringBuilder();
        write(value, text);
        return text.toString().getBytes(UTF_8);
    }

    @Override
    public <T> T decode(byte[] payload, Class<T> type) {
        var parser = new Parser(new String(payload, UTF_8));
        var value = parser.value();
        parser.end();
        if (!type.isRecord()) {
            return type.cast(Objects.requireNonNull(value));
        }
        return type.cast(record((Map<?, ?>) Objects.requireNonNull(value), type));
    }

    private static void write(@Nullable Object value, StringBuilder text) {
        if (value == null || value instanceof Boolean || value instanceof Number) {
            text.append(value);
        } else if (value instanceof String string) {
            text.append('"')
                    .append(string.replace("\\", "\\\\").replace("\"", "\\\""))
                    .append('"');
        } else if (value instanceof List<?> list) {
            text.append('[');
            list.forEach(element -> {
                write(element, text);
                text.append(',');
            });
            text.append(']');
        } else if (value instanceof Map<?, ?> map) {
            text.append('{');
            map.forEach((key, element) -> {
                write((String) key, text);
                write(element, text.append(':'));
                text.append(',');
            });
            text.append('}');
        } else if (value.getClass().isRecord()) {
            write(fields(value), text);
        } else {
            throw new IllegalArgumentException("cannot encode " + value.getClass());
        }
    }

    private static Map<String, Object> fields(Object event) {
        var fields = new LinkedHashMap<String, Object>();
        for (var component : event.getClass().getRecordComponents()) {
            try {
                component.getAccessor().setAccessible(true);
                fields.put(component.getName(), component.getAccessor().invoke(event));
            } catch (ReflectiveOperationException impossible) {
                throw new IllegalStateException(impossible);
            }
        }
        return fields;
    }

    private static Object record(Map<?, ?> fields, Class<?> type) {
        var components = type.getRecordComponents();
        var names = Arrays.stream(components).map(RecordComponent::getName).toList();
        if (!fields.keySet().equals(new HashSet<>(names))) {
            throw new IllegalArgumentException("fields " + fields.keySet() + ", components " + names);
        }
        var types = Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
        try {
            var constructor = type.getDeclaredConstructor(types);
            constructor.setAccessible(true);
            return constructor.newInstance(names.stream().map(fields::get).toArray());
        } catch (ReflectiveOperationException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static final class Parser {

        private final String text;
        private int at;

        Parser(String text) {
            this.text = text;
        }

        void end() {
            if (at != text.length()) {
                throw new IllegalArgumentException("something behind the end, at " + at);
            }
        }

        @Nullable
        Object value() {
            char c = at < text.length() ? text.charAt(at) : ' ';
            if (c == '{') {
                var map = new LinkedHashMap<String, Object>();
                at++;
                while (text.charAt(at) != '}') {
                    var key = string();
                    at++; // the colon
                    map.put(key, value());
                    at++; // the comma
                }
                at++;
                return map;
            }
            if (c == '[') {
                var list = new ArrayList<Object>();
                at++;
                while (text.charAt(at) != ']') {
                    list.add(value());
                    at++; // the comma
                }
                at++;
                return list;
            }
            return c == '"' ? string() : word();
        }

        private String string() {
            var string = new StringBuilder();
            at++;
            while (text.charAt(at) != '"') {
                at += text.charAt(at) == '\\' ? 1 : 0;
                string.append(text.charAt(at++));
            }
            at++;
            return string.toString();
        }

        private @Nullable Object word() {
            int start = at;
            while (at < text.length() && ",:]}".indexOf(text.charAt(at)) < 0) {
                at++;
            }
            var word = text.substring(start, at);
            return switch (word) {
                case "null" -> null;
                case "true" -> true;
                case "false" -> false;
                default -> word.matches("-?[0-9]+") ? whole(new BigInteger(word)) : new BigDecimal(word);
            };
        }

        private static Number whole(BigInteger number) {
            if (number.bitLength() < Integer.SIZE) {
                return number.intValue();
            }
            return number.bitLength() < Long.SIZE ? (Number) number.longValue() : number;
        }
    }
}
