package dev.cqrs.examples.dcb;

import dev.cqrs.decider.Decision;
import dev.cqrs.decider.DecisionModel;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/** Rules as decision models: the state of each is its objection, if it has one. */
final class Rules {

    private Rules() {}

    /** Objects for a reason, if what the model says is so. */
    static <S> DecisionModel<Optional<String>> never(DecisionModel<S> model, Predicate<S> wrong, String reason) {
        return model.map(state -> wrong.test(state) ? Optional.of(reason) : Optional.empty());
    }

    /** All rules as one, which has the objection of the first that has any. */
    static DecisionModel<Optional<String>> all(List<DecisionModel<Optional<String>>> rules) {
        return DecisionModel.all(rules)
                .map(objections -> objections.stream().flatMap(Optional::stream).findFirst());
    }

    /** Accepts with an event unless there is an objection. */
    static <E> Decision<E> unless(Optional<String> objection, E event) {
        return objection.<Decision<E>>map(Decision::reject).orElseGet(() -> Decision.acceptAll(List.of(event)));
    }
}
