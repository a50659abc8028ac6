package dev.cqrs.jdbc;

import dev.cqrs.event.Position;
import dev.cqrs.projection.CheckpointStore.Parked;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Events that were put aside as a text: a line each, its position, a {@code -} if its effect is not due, and, after a blank, the
 * reason without line breaks.
 */
final class ParkedText {

    private ParkedText() {}

    static byte[] write(List<Parked> parked) {
        var text = new StringBuilder();
        for (var each : parked) {
            text.append(each.position()).append(each.effectDue() ? " " : "- ");
            escape(each.reason(), text);
            text.append('\n');
        }
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    static List<Parked> read(byte[] bytes) {
        var parked = new ArrayList<Parked>();
        new String(bytes, StandardCharsets.UTF_8).lines().forEach(line -> {
            int blank = line.indexOf(' ');
            boolean due = line.charAt(blank - 1) != '-';
            parked.add(new Parked(
                    Position.of(Long.parseLong(line.substring(0, due ? blank : blank - 1))),
                    unescaped(line.substring(blank + 1)),
                    due));
        });
        return parked;
    }

    private static void escape(String reason, StringBuilder text) {
        for (int i = 0; i < reason.length(); i++) {
            char c = reason.charAt(i);
            switch (c) {
                case '\\' -> text.append("\\\\");
                case '\n' -> text.append("\\n");
                case '\r' -> text.append("\\r");
                default -> text.append(c);
            }
        }
    }

    private static String unescaped(String text) {
        var reason = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c != '\\') {
                reason.append(c);
                continue;
            }
            char escaped = text.charAt(++i);
            reason.append(escaped == 'n' ? '\n' : escaped == 'r' ? '\r' : escaped);
        }
        return reason.toString();
    }
}
