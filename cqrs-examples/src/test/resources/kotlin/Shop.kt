/*
7 left, 7 in stock of [tea]
Ship was rejected: only 7 left
[a], [b]
no letter for me
DOWN 3
*/
package shop

import dev.cqrs.command.Command
import dev.cqrs.command.CommandHandler
import dev.cqrs.decider.Decision.accept
import dev.cqrs.decider.Decision.reject
import dev.cqrs.decider.DecisionModel
import dev.cqrs.decider.RejectedException
import dev.cqrs.event.Fold
import dev.cqrs.event.Tag
import dev.cqrs.eventstore.EventQuery
import dev.cqrs.inmemory.InMemoryCommandBus
import dev.cqrs.inmemory.InMemoryCqrs
import dev.cqrs.message.Done
import dev.cqrs.message.HandlerFailedException
import dev.cqrs.message.Metadata
import dev.cqrs.projection.Projection
import dev.cqrs.query.Query
import java.io.IOException
import java.time.Clock

sealed interface StockCommand<R : Any> : Command<R>
data class Receive(val item: String, val count: Int) : StockCommand<Done>
data class Ship(val item: String, val count: Int) : StockCommand<Int>

data class InStock(val item: String) : Query<Int>
data object Items : Query<List<String>>

sealed interface StockEvent { val item: String }
data class Received(override val item: String, val count: Int) : StockEvent
data class Shipped(override val item: String, val count: Int) : StockEvent

val STOCK: Fold<Int> = Fold.from(0)
    .on(Received::class.java) { stock, event -> stock + event.count }
    .on(Shipped::class.java) { stock, event -> stock - event.count }

val ITEMS: Projection<Map<String, Int>> = Projection.keyed(
    "items", 1, Projection.Keys.by(StockEvent::class.java, StockEvent::item), STOCK)

fun stockOf(item: String): DecisionModel<Int> = DecisionModel.of(EventQuery.tagged(Tag.of("item", item)), STOCK)

data class Label(val text: String) : Command<String>
data class Fetch(val what: String) : Command<String>
data class Press(val button: Button) : Command<String>

enum class Button { UP, DOWN }

/** One function for each kind of handler: a reference to a method, a class, a lambda with metadata and one without. */
class Printer {
    fun print(command: Label): String = "[${command.text}]"
}

class Lift(private val floors: Int) : CommandHandler<Press, String> {
    override fun handle(command: Press, metadata: Metadata): String = "${command.button} $floors"
}

fun main() {
    stock()
    handlers()
}

fun stock() = InMemoryCqrs.builder(Clock.systemUTC())
    .event("received", Received::class.java)
    .event("shipped", Shipped::class.java)
    .tags(StockEvent::class.java) { setOf(Tag.of("item", it.item)) }
    .decide(Receive::class.java, { stockOf(it.item) }, { c, _ -> accept(Received(c.item, c.count)) })
    .decide(
        Ship::class.java,
        { stockOf(it.item) },
        { c, stock -> if (stock < c.count) reject<Shipped>("only $stock left") else accept(Shipped(c.item, c.count)) },
        { _, left -> left },
    )
    .query(InStock::class.java, ITEMS) { query, items -> items[query.item] ?: 0 }
    .query(Items::class.java, ITEMS) { _, items -> items.keys.sorted() }
    .requireAll(StockCommand::class.java)
    .build()
    .use { shop ->
        shop.dispatch(Receive("tea", 10))
        val left: Int = shop.dispatch(Ship("tea", 3))
        println("$left left, ${shop.ask(InStock("tea"))} in stock of ${shop.ask(Items)}")
        try {
            shop.dispatch(Ship("tea", 8))
        } catch (rejected: RejectedException) {
            println(rejected.message)
        }
    }

fun handlers() {
    val printer = Printer()
    val bus = InMemoryCommandBus.builder()
        .handle(Label::class.java, printer::print)
        .handle(Fetch::class.java) { command, metadata ->
            throw IOException("no ${command.what} for ${metadata.id().orElse("nobody")}")
        }
        .handle(Press::class.java, Lift::class.java) { Lift(3) }
        .intercept(0) { message, metadata, next -> next.proceed(message, metadata) }
        .build()
    println("${bus.dispatch(Label("a"))}, ${bus.handlerFor(Label::class.java).handle(Label("b"))}")
    try {
        bus.dispatch(Fetch("letter"), Metadata.withId("me"))
    } catch (failed: HandlerFailedException) { // Kotlin has no checked exceptions
        println(failed.cause?.message)
    }
    println(bus.dispatch(Press(Button.DOWN)))
}
