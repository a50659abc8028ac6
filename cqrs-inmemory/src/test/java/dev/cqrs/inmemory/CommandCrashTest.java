package dev.cqrs.inmemory;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionHandler;
import dev.cqrs.decider.DecisionModel;
import dev.cqrs.event.Catalog;
import dev.cqrs.event.Fold;
import dev.cqrs.eventstore.EventQuery;
import dev.cqrs.eventstore.EventStore;
import dev.cqrs.message.Metadata;
import dev.cqrs.testing.CrashPoints;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Commands with ids, whose senders send again what they had no answer to, with a crash at each append. */
class CommandCrashTest {

    record Draw(int from) implements Command<Integer> {}

    record Drawn(int from, int number) {}

    private static final int COMMANDS = 6;

    private static final Catalog CATALOG =
            Catalog.builder().commandIds().event("drawn", Drawn.class).build();

    private static final DecisionModel<Integer> LAST =
            DecisionModel.of(EventQuery.types(Drawn.class), Fold.from(0).on(Drawn.class, (last, e) -> e.number()));

    private static CommandHandler<Draw, Integer> handler(EventStore store) {
        return new DecisionHandler<Draw, Integer, Integer>(
                        store,
                        draw -> LAST,
                        (draw, last) -> Decision.accept(new Drawn(draw.from(), last + 1)),
                        (draw, last) -> last)
                .idempotent();
    }

    @Test
    void a_command_that_is_sent_again_after_a_crash_takes_effect_once() {
        CrashPoints.explore(20, 1, (scheduler, crashes) -> {
            var log = new InMemoryEventStore(CATALOG, scheduler.clock());
            Map<Integer, Integer> answers = new LinkedHashMap<>();
            do {
                if (crashes.isCrashed()) {
                    crashes.restart();
                }
                var handler = handler(crashes.around(log));
                var process = crashes.around(scheduler);
                for (int i = 0; i < COMMANDS; i++) {
                    int sender = i;
                    if (!answers.containsKey(sender)) {
                        process.execute(() -> answers.put(sender, send(handler, sender)));
                    }
                }
                scheduler.runAll();
            } while (crashes.isCrashed());

            assertThat(answers.values()).containsExactlyInAnyOrder(1, 2, 3, 4, 5, 6);
            try (var events = log.read(EventQuery.types(Drawn.class))) {
                assertThat(events.toList()).hasSize(COMMANDS).allSatisfy(recorded -> {
                    var drawn = (Drawn) recorded.event();
                    assertThat(answers).containsEntry(drawn.from(), drawn.number());
                });
            }
        });
    }

    private static Integer send(CommandHandler<Draw, Integer> handler, int sender) {
        try {
            return handler.handle(new Draw(sender), Metadata.none().with(Metadata.ID, "command-" + sender));
        } catch (Exception failed) {
            throw new AssertionError(failed);
        }
    }
}
