package dev.cqrs.saga;

import dev.cqrs.saga.Archive.Mark;
import dev.cqrs.saga.SagaEvent.Cause;
import dev.cqrs.saga.SagaEvent.Effect;
import dev.cqrs.saga.SagaEvent.Input;
import dev.cqrs.saga.SagaEvent.Output;
import java.util.ArrayList;
import java.util.List;

/** What has happened in an instance, for people. */
final class History {

    private History() {}

    static String text(Archive archive, List<Mark> marks) {
        var text = new StringBuilder();
        for (var mark : marks) {
            var event = mark.event();
            var names = names(archive, mark);
            var at = mark.recordedAt() + "  ";
            var came = came(event.input());
            if (!came.isEmpty()) {
                text.append(at).append(onOneLine(came)).append('\n');
            }
            int next = event.input().event().isEmpty() ? 0 : 1;
            for (var output : event.outputs()) {
                boolean command = isCommand(output);
                var went = went(output, command ? names.get(next) : "");
                if (command) {
                    next++;
                }
                if (!went.isEmpty()) {
                    text.append(at).append("  ").append(onOneLine(went)).append('\n');
                }
            }
            if (event.outputs().stream().anyMatch(output -> output.effect() == Effect.END)) {
                text.append(at)
                        .append("  ended: ")
                        .append(event.standing().state())
                        .append('\n');
            }
        }
        return text.toString();
    }

    /** A reason may have several lines. */
    private static String onOneLine(String text) {
        var line = new StringBuilder();
        text.codePoints().forEach(c -> line.appendCodePoint(Character.isISOControl(c) ? ' ' : c));
        return line.toString();
    }

    private static List<String> names(Archive archive, Mark mark) {
        var event = mark.event();
        int behind = event.input().event().isEmpty() ? 0 : 1;
        behind += (int) event.outputs().stream().filter(History::isCommand).count();
        return archive.namesBehind(mark, behind);
    }

    private static boolean isCommand(Output output) {
        return output.effect() == Effect.ISSUE || output.effect() == Effect.PIVOT;
    }

    private static String came(Input input) {
        var step = (input.undo() ? "undo of " : "") + input.step();
        var attempt = input.attempt() > 1 ? " (attempt " + input.attempt() + ")" : "";
        return switch (input.cause()) {
            case STARTED -> "started by " + (input.event().isEmpty() ? "an event that is not kept" : input.event());
            case BEGUN -> "begun by hand with " + input.event();
            case EVENT ->
                (input.event().isEmpty() ? "an event that is not kept" : "event " + input.event())
                        + (step.isEmpty() ? "" : " for " + step);
            case RETURNED -> step + attempt + " took effect";
            case REFUSED -> step + attempt + " was refused: " + input.reason();
            case FAILED -> step + attempt + " failed: " + input.reason();
            case UNSURE -> step + attempt + " may have taken effect: " + input.reason();
            case STUCK -> step + attempt + " is stuck: " + input.reason();
            case DUE -> "its time came";
            case HELD, RELEASED -> "";
            case RESUMED -> "an operator had it go on";
            case SKIPPED -> "an operator left out " + step;
            case CANCELLED -> "an operator cancelled it";
            case TOOK_EFFECT -> "an operator found that " + step + attempt + " took effect";
            case NO_EFFECT -> "an operator found that " + step + attempt + " had no effect";
        };
    }

    private static String went(Output output, String command) {
        var step = (output.undo() ? "undo of " : "") + output.step();
        return switch (output.effect()) {
            case ISSUE, PIVOT -> step + ": " + command + until(output);
            case AGAIN -> step + ": again at " + output.at();
            case REDO -> step + ": again";
            case AWAIT -> step + ": waits" + until(output);
            case TIMER -> (step.isEmpty() ? "the whole" : "timer " + step) + ": until " + output.at();
            case DROP -> step + ": dropped";
            case FIRED -> (step.isEmpty() ? "the whole" : step) + ": its time is over";
            case FAIL -> "fails: " + output.reason();
            case BACK -> "goes back";
            case LEAVE -> step + ": nothing to do";
            case PARK -> "parked: " + output.reason();
            case ENDING -> "ends with its commands";
            case STICK, REACTED, END -> "";
        };
    }

    private static String until(Output output) {
        return output.at().equals(Story.NONE) ? "" : " until " + output.at();
    }

    static String diagram(Archive archive, List<Mark> marks) {
        if (marks.isEmpty()) {
            return "";
        }
        var first = marks.get(0).event();
        var lines = new ArrayList<String>();
        lines.add("sequenceDiagram");
        lines.add("    participant E as events");
        lines.add("    participant S as " + plain(first.saga() + " " + first.key()));
        lines.add("    participant H as handlers");
        for (var mark : marks) {
            var event = mark.event();
            draw(event.input(), lines);
            var names = names(archive, mark);
            int next = event.input().event().isEmpty() ? 0 : 1;
            for (var output : event.outputs()) {
                if (isCommand(output)) {
                    lines.add("    S->>H: " + plain(went(output, names.get(next++))));
                } else if (output.effect() == Effect.REDO) {
                    lines.add("    S->>H: " + plain(went(output, "")));
                } else {
                    var went = went(output, "");
                    if (!went.isEmpty()) {
                        lines.add("    Note over S: " + plain(went));
                    }
                }
            }
            if (event.standing().state().isEnd()) {
                lines.add("    Note over S: " + event.standing().state());
            }
        }
        return String.join("\n", lines) + "\n";
    }

    private static void draw(Input input, List<String> lines) {
        var came = plain(came(input));
        if (came.isEmpty()) {
            return;
        }
        if (input.cause() == Cause.STARTED || input.cause() == Cause.BEGUN || input.cause() == Cause.EVENT) {
            lines.add("    E->>S: " + came);
        } else if (input.cause() == Cause.RETURNED) {
            lines.add("    H-->>S: " + came);
        } else if (input.step().isEmpty() || isOperators(input.cause())) {
            lines.add("    Note over S: " + came);
        } else {
            lines.add("    H--xS: " + came);
        }
    }

    private static boolean isOperators(Cause cause) {
        return cause == Cause.SKIPPED || cause == Cause.TOOK_EFFECT || cause == Cause.NO_EFFECT;
    }

    /** A text that ends neither the line nor the statement of a diagram. */
    private static String plain(String text) {
        var plain = new StringBuilder();
        onOneLine(text).codePoints().forEach(c -> {
            if (c == ';' || c == '#' || c == '<' || c == '>') {
                plain.append('#').append(c).append(';');
            } else {
                plain.appendCodePoint(c);
            }
        });
        return plain.toString();
    }
}
