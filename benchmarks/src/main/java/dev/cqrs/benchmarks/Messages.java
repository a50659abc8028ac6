package dev.cqrs.benchmarks;

import dev.cqrs.command.Command;
import dev.cqrs.command.CommandHandler;
import dev.cqrs.query.Query;
import dev.cqrs.query.QueryHandler;
import java.util.List;
import java.util.function.IntFunction;

/**
 * A hundred classes of messages, each with a handler class of its own: with fewer classes, or one class of handlers,
 * the JIT compiler would inline what it cannot inline in a real application.
 *
 * <p>A message is a command and a query at once, and a handler serves our buses and PipelinR alike, so that all of them
 * run the very same code behind their dispatch. Only numbers differ between the classes.
 */
final class Messages {

    /** What every handler returns; boxed once, so that no result is allocated. */
    static final Integer RESULT = 1;

    /** A message with the number that its handler adds up. */
    interface Message extends Command<Integer>, Query<Integer>, an.awesome.pipelinr.Command<Integer> {
        int value();
    }

    /** A handler for all buses: their interfaces have the same method. */
    interface Handler<M extends Message>
            extends CommandHandler.Plain<M, Integer>,
                    QueryHandler.Plain<M, Integer>,
                    an.awesome.pipelinr.Command.Handler<M, Integer> {
        @Override
        Integer handle(M message);
    }

    /** The state of a handler, which makes the call of it more than nothing. */
    abstract static class Sum {
        int n;

        final Integer add(int value) {
            n += value;
            return RESULT;
        }
    }

    /** A message class, how to make such a message, and its handler. */
    record Kind<M extends Message>(Class<M> type, IntFunction<M> make, Handler<M> handler) {}

    private Messages() {}

    /** The first {@code count} kinds, with new handlers. */
    static List<Kind<?>> kinds(int count) {
        return all().subList(0, count);
    }

    private static List<Kind<?>> all() {
        return List.of(
                new Kind<>(M00.class, M00::new, new H00()),
                new Kind<>(M01.class, M01::new, new H01()),
                new Kind<>(M02.class, M02::new, new H02()),
                new Kind<>(M03.class, M03::new, new H03()),
                new Kind<>(M04.class, M04::new, new H04()),
                new Kind<>(M05.class, M05::new, new H05()),
                new Kind<>(M06.class, M06::new, new H06()),
                new Kind<>(M07.class, M07::new, new H07()),
                new Kind<>(M08.class, M08::new, new H08()),
                new Kind<>(M09.class, M09::new, new H09()),
                new Kind<>(M10.class, M10::new, new H10()),
                new Kind<>(M11.class, M11::new, new H11()),
                new Kind<>(M12.class, M12::new, new H12()),
                new Kind<>(M13.class, M13::new, new H13()),
                new Kind<>(M14.class, M14::new, new H14()),
                new Kind<>(M15.class, M15::new, new H15()),
                new Kind<>(M16.class, M16::new, new H16()),
                new Kind<>(M17.class, M17::new, new H17()),
                new Kind<>(M18.class, M18::new, new H18()),
                new Kind<>(M19.class, M19::new, new H19()),
                new Kind<>(M20.class, M20::new, new H20()),
                new Kind<>(M21.class, M21::new, new H21()),
                new Kind<>(M22.class, M22::new, new H22()),
                new Kind<>(M23.class, M23::new, new H23()),
                new Kind<>(M24.class, M24::new, new H24()),
                new Kind<>(M25.class, M25::new, new H25()),
                new Kind<>(M26.class, M26::new, new H26()),
                new Kind<>(M27.class, M27::new, new H27()),
                new Kind<>(M28.class, M28::new, new H28()),
                new Kind<>(M29.class, M29::new, new H29()),
                new Kind<>(M30.class, M30::new, new H30()),
                new Kind<>(M31.class, M31::new, new H31()),
                new Kind<>(M32.class, M32::new, new H32()),
                new Kind<>(M33.class, M33::new, new H33()),
                new Kind<>(M34.class, M34::new, new H34()),
                new Kind<>(M35.class, M35::new, new H35()),
                new Kind<>(M36.class, M36::new, new H36()),
                new Kind<>(M37.class, M37::new, new H37()),
                new Kind<>(M38.class, M38::new, new H38()),
                new Kind<>(M39.class, M39::new, new H39()),
                new Kind<>(M40.class, M40::new, new H40()),
                new Kind<>(M41.class, M41::new, new H41()),
                new Kind<>(M42.class, M42::new, new H42()),
                new Kind<>(M43.class, M43::new, new H43()),
                new Kind<>(M44.class, M44::new, new H44()),
                new Kind<>(M45.class, M45::new, new H45()),
                new Kind<>(M46.class, M46::new, new H46()),
                new Kind<>(M47.class, M47::new, new H47()),
                new Kind<>(M48.class, M48::new, new H48()),
                new Kind<>(M49.class, M49::new, new H49()),
                new Kind<>(M50.class, M50::new, new H50()),
                new Kind<>(M51.class, M51::new, new H51()),
                new Kind<>(M52.class, M52::new, new H52()),
                new Kind<>(M53.class, M53::new, new H53()),
                new Kind<>(M54.class, M54::new, new H54()),
                new Kind<>(M55.class, M55::new, new H55()),
                new Kind<>(M56.class, M56::new, new H56()),
                new Kind<>(M57.class, M57::new, new H57()),
                new Kind<>(M58.class, M58::new, new H58()),
                new Kind<>(M59.class, M59::new, new H59()),
                new Kind<>(M60.class, M60::new, new H60()),
                new Kind<>(M61.class, M61::new, new H61()),
                new Kind<>(M62.class, M62::new, new H62()),
                new Kind<>(M63.class, M63::new, new H63()),
                new Kind<>(M64.class, M64::new, new H64()),
                new Kind<>(M65.class, M65::new, new H65()),
                new Kind<>(M66.class, M66::new, new H66()),
                new Kind<>(M67.class, M67::new, new H67()),
                new Kind<>(M68.class, M68::new, new H68()),
                new Kind<>(M69.class, M69::new, new H69()),
                new Kind<>(M70.class, M70::new, new H70()),
                new Kind<>(M71.class, M71::new, new H71()),
                new Kind<>(M72.class, M72::new, new H72()),
                new Kind<>(M73.class, M73::new, new H73()),
                new Kind<>(M74.class, M74::new, new H74()),
                new Kind<>(M75.class, M75::new, new H75()),
                new Kind<>(M76.class, M76::new, new H76()),
                new Kind<>(M77.class, M77::new, new H77()),
                new Kind<>(M78.class, M78::new, new H78()),
                new Kind<>(M79.class, M79::new, new H79()),
                new Kind<>(M80.class, M80::new, new H80()),
                new Kind<>(M81.class, M81::new, new H81()),
                new Kind<>(M82.class, M82::new, new H82()),
                new Kind<>(M83.class, M83::new, new H83()),
                new Kind<>(M84.class, M84::new, new H84()),
                new Kind<>(M85.class, M85::new, new H85()),
                new Kind<>(M86.class, M86::new, new H86()),
                new Kind<>(M87.class, M87::new, new H87()),
                new Kind<>(M88.class, M88::new, new H88()),
                new Kind<>(M89.class, M89::new, new H89()),
                new Kind<>(M90.class, M90::new, new H90()),
                new Kind<>(M91.class, M91::new, new H91()),
                new Kind<>(M92.class, M92::new, new H92()),
                new Kind<>(M93.class, M93::new, new H93()),
                new Kind<>(M94.class, M94::new, new H94()),
                new Kind<>(M95.class, M95::new, new H95()),
                new Kind<>(M96.class, M96::new, new H96()),
                new Kind<>(M97.class, M97::new, new H97()),
                new Kind<>(M98.class, M98::new, new H98()),
                new Kind<>(M99.class, M99::new, new H99()));
    }

    record M00(int value) implements Message {}

    static final class H00 extends Sum implements Handler<M00> {
        @Override
        public Integer handle(M00 m) {
            return add(m.value);
        }
    }

    record M01(int value) implements Message {}

    static final class H01 extends Sum implements Handler<M01> {
        @Override
        public Integer handle(M01 m) {
            return add(m.value);
        }
    }

    record M02(int value) implements Message {}

    static final class H02 extends Sum implements Handler<M02> {
        @Override
        public Integer handle(M02 m) {
            return add(m.value);
        }
    }

    record M03(int value) implements Message {}

    static final class H03 extends Sum implements Handler<M03> {
        @Override
        public Integer handle(M03 m) {
            return add(m.value);
        }
    }

    record M04(int value) implements Message {}

    static final class H04 extends Sum implements Handler<M04> {
        @Override
        public Integer handle(M04 m) {
            return add(m.value);
        }
    }

    record M05(int value) implements Message {}

    static final class H05 extends Sum implements Handler<M05> {
        @Override
        public Integer handle(M05 m) {
            return add(m.value);
        }
    }

    record M06(int value) implements Message {}

    static final class H06 extends Sum implements Handler<M06> {
        @Override
        public Integer handle(M06 m) {
            return add(m.value);
        }
    }

    record M07(int value) implements Message {}

    static final class H07 extends Sum implements Handler<M07> {
        @Override
        public Integer handle(M07 m) {
            return add(m.value);
        }
    }

    record M08(int value) implements Message {}

    static final class H08 extends Sum implements Handler<M08> {
        @Override
        public Integer handle(M08 m) {
            return add(m.value);
        }
    }

    record M09(int value) implements Message {}

    static final class H09 extends Sum implements Handler<M09> {
        @Override
        public Integer handle(M09 m) {
            return add(m.value);
        }
    }

    record M10(int value) implements Message {}

    static final class H10 extends Sum implements Handler<M10> {
        @Override
        public Integer handle(M10 m) {
            return add(m.value);
        }
    }

    record M11(int value) implements Message {}

    static final class H11 extends Sum implements Handler<M11> {
        @Override
        public Integer handle(M11 m) {
            return add(m.value);
        }
    }

    record M12(int value) implements Message {}

    static final class H12 extends Sum implements Handler<M12> {
        @Override
        public Integer handle(M12 m) {
            return add(m.value);
        }
    }

    record M13(int value) implements Message {}

    static final class H13 extends Sum implements Handler<M13> {
        @Override
        public Integer handle(M13 m) {
            return add(m.value);
        }
    }

    record M14(int value) implements Message {}

    static final class H14 extends Sum implements Handler<M14> {
        @Override
        public Integer handle(M14 m) {
            return add(m.value);
        }
    }

    record M15(int value) implements Message {}

    static final class H15 extends Sum implements Handler<M15> {
        @Override
        public Integer handle(M15 m) {
            return add(m.value);
        }
    }

    record M16(int value) implements Message {}

    static final class H16 extends Sum implements Handler<M16> {
        @Override
        public Integer handle(M16 m) {
            return add(m.value);
        }
    }

    record M17(int value) implements Message {}

    static final class H17 extends Sum implements Handler<M17> {
        @Override
        public Integer handle(M17 m) {
            return add(m.value);
        }
    }

    record M18(int value) implements Message {}

    static final class H18 extends Sum implements Handler<M18> {
        @Override
        public Integer handle(M18 m) {
            return add(m.value);
        }
    }

    record M19(int value) implements Message {}

    static final class H19 extends Sum implements Handler<M19> {
        @Override
        public Integer handle(M19 m) {
            return add(m.value);
        }
    }

    record M20(int value) implements Message {}

    static final class H20 extends Sum implements Handler<M20> {
        @Override
        public Integer handle(M20 m) {
            return add(m.value);
        }
    }

    record M21(int value) implements Message {}

    static final class H21 extends Sum implements Handler<M21> {
        @Override
        public Integer handle(M21 m) {
            return add(m.value);
        }
    }

    record M22(int value) implements Message {}

    static final class H22 extends Sum implements Handler<M22> {
        @Override
        public Integer handle(M22 m) {
            return add(m.value);
        }
    }

    record M23(int value) implements Message {}

    static final class H23 extends Sum implements Handler<M23> {
        @Override
        public Integer handle(M23 m) {
            return add(m.value);
        }
    }

    record M24(int value) implements Message {}

    static final class H24 extends Sum implements Handler<M24> {
        @Override
        public Integer handle(M24 m) {
            return add(m.value);
        }
    }

    record M25(int value) implements Message {}

    static final class H25 extends Sum implements Handler<M25> {
        @Override
        public Integer handle(M25 m) {
            return add(m.value);
        }
    }

    record M26(int value) implements Message {}

    static final class H26 extends Sum implements Handler<M26> {
        @Override
        public Integer handle(M26 m) {
            return add(m.value);
        }
    }

    record M27(int value) implements Message {}

    static final class H27 extends Sum implements Handler<M27> {
        @Override
        public Integer handle(M27 m) {
            return add(m.value);
        }
    }

    record M28(int value) implements Message {}

    static final class H28 extends Sum implements Handler<M28> {
        @Override
        public Integer handle(M28 m) {
            return add(m.value);
        }
    }

    record M29(int value) implements Message {}

    static final class H29 extends Sum implements Handler<M29> {
        @Override
        public Integer handle(M29 m) {
            return add(m.value);
        }
    }

    record M30(int value) implements Message {}

    static final class H30 extends Sum implements Handler<M30> {
        @Override
        public Integer handle(M30 m) {
            return add(m.value);
        }
    }

    record M31(int value) implements Message {}

    static final class H31 extends Sum implements Handler<M31> {
        @Override
        public Integer handle(M31 m) {
            return add(m.value);
        }
    }

    record M32(int value) implements Message {}

    static final class H32 extends Sum implements Handler<M32> {
        @Override
        public Integer handle(M32 m) {
            return add(m.value);
        }
    }

    record M33(int value) implements Message {}

    static final class H33 extends Sum implements Handler<M33> {
        @Override
        public Integer handle(M33 m) {
            return add(m.value);
        }
    }

    record M34(int value) implements Message {}

    static final class H34 extends Sum implements Handler<M34> {
        @Override
        public Integer handle(M34 m) {
            return add(m.value);
        }
    }

    record M35(int value) implements Message {}

    static final class H35 extends Sum implements Handler<M35> {
        @Override
        public Integer handle(M35 m) {
            return add(m.value);
        }
    }

    record M36(int value) implements Message {}

    static final class H36 extends Sum implements Handler<M36> {
        @Override
        public Integer handle(M36 m) {
            return add(m.value);
        }
    }

    record M37(int value) implements Message {}

    static final class H37 extends Sum implements Handler<M37> {
        @Override
        public Integer handle(M37 m) {
            return add(m.value);
        }
    }

    record M38(int value) implements Message {}

    static final class H38 extends Sum implements Handler<M38> {
        @Override
        public Integer handle(M38 m) {
            return add(m.value);
        }
    }

    record M39(int value) implements Message {}

    static final class H39 extends Sum implements Handler<M39> {
        @Override
        public Integer handle(M39 m) {
            return add(m.value);
        }
    }

    record M40(int value) implements Message {}

    static final class H40 extends Sum implements Handler<M40> {
        @Override
        public Integer handle(M40 m) {
            return add(m.value);
        }
    }

    record M41(int value) implements Message {}

    static final class H41 extends Sum implements Handler<M41> {
        @Override
        public Integer handle(M41 m) {
            return add(m.value);
        }
    }

    record M42(int value) implements Message {}

    static final class H42 extends Sum implements Handler<M42> {
        @Override
        public Integer handle(M42 m) {
            return add(m.value);
        }
    }

    record M43(int value) implements Message {}

    static final class H43 extends Sum implements Handler<M43> {
        @Override
        public Integer handle(M43 m) {
            return add(m.value);
        }
    }

    record M44(int value) implements Message {}

    static final class H44 extends Sum implements Handler<M44> {
        @Override
        public Integer handle(M44 m) {
            return add(m.value);
        }
    }

    record M45(int value) implements Message {}

    static final class H45 extends Sum implements Handler<M45> {
        @Override
        public Integer handle(M45 m) {
            return add(m.value);
        }
    }

    record M46(int value) implements Message {}

    static final class H46 extends Sum implements Handler<M46> {
        @Override
        public Integer handle(M46 m) {
            return add(m.value);
        }
    }

    record M47(int value) implements Message {}

    static final class H47 extends Sum implements Handler<M47> {
        @Override
        public Integer handle(M47 m) {
            return add(m.value);
        }
    }

    record M48(int value) implements Message {}

    static final class H48 extends Sum implements Handler<M48> {
        @Override
        public Integer handle(M48 m) {
            return add(m.value);
        }
    }

    record M49(int value) implements Message {}

    static final class H49 extends Sum implements Handler<M49> {
        @Override
        public Integer handle(M49 m) {
            return add(m.value);
        }
    }

    record M50(int value) implements Message {}

    static final class H50 extends Sum implements Handler<M50> {
        @Override
        public Integer handle(M50 m) {
            return add(m.value);
        }
    }

    record M51(int value) implements Message {}

    static final class H51 extends Sum implements Handler<M51> {
        @Override
        public Integer handle(M51 m) {
            return add(m.value);
        }
    }

    record M52(int value) implements Message {}

    static final class H52 extends Sum implements Handler<M52> {
        @Override
        public Integer handle(M52 m) {
            return add(m.value);
        }
    }

    record M53(int value) implements Message {}

    static final class H53 extends Sum implements Handler<M53> {
        @Override
        public Integer handle(M53 m) {
            return add(m.value);
        }
    }

    record M54(int value) implements Message {}

    static final class H54 extends Sum implements Handler<M54> {
        @Override
        public Integer handle(M54 m) {
            return add(m.value);
        }
    }

    record M55(int value) implements Message {}

    static final class H55 extends Sum implements Handler<M55> {
        @Override
        public Integer handle(M55 m) {
            return add(m.value);
        }
    }

    record M56(int value) implements Message {}

    static final class H56 extends Sum implements Handler<M56> {
        @Override
        public Integer handle(M56 m) {
            return add(m.value);
        }
    }

    record M57(int value) implements Message {}

    static final class H57 extends Sum implements Handler<M57> {
        @Override
        public Integer handle(M57 m) {
            return add(m.value);
        }
    }

    record M58(int value) implements Message {}

    static final class H58 extends Sum implements Handler<M58> {
        @Override
        public Integer handle(M58 m) {
            return add(m.value);
        }
    }

    record M59(int value) implements Message {}

    static final class H59 extends Sum implements Handler<M59> {
        @Override
        public Integer handle(M59 m) {
            return add(m.value);
        }
    }

    record M60(int value) implements Message {}

    static final class H60 extends Sum implements Handler<M60> {
        @Override
        public Integer handle(M60 m) {
            return add(m.value);
        }
    }

    record M61(int value) implements Message {}

    static final class H61 extends Sum implements Handler<M61> {
        @Override
        public Integer handle(M61 m) {
            return add(m.value);
        }
    }

    record M62(int value) implements Message {}

    static final class H62 extends Sum implements Handler<M62> {
        @Override
        public Integer handle(M62 m) {
            return add(m.value);
        }
    }

    record M63(int value) implements Message {}

    static final class H63 extends Sum implements Handler<M63> {
        @Override
        public Integer handle(M63 m) {
            return add(m.value);
        }
    }

    record M64(int value) implements Message {}

    static final class H64 extends Sum implements Handler<M64> {
        @Override
        public Integer handle(M64 m) {
            return add(m.value);
        }
    }

    record M65(int value) implements Message {}

    static final class H65 extends Sum implements Handler<M65> {
        @Override
        public Integer handle(M65 m) {
            return add(m.value);
        }
    }

    record M66(int value) implements Message {}

    static final class H66 extends Sum implements Handler<M66> {
        @Override
        public Integer handle(M66 m) {
            return add(m.value);
        }
    }

    record M67(int value) implements Message {}

    static final class H67 extends Sum implements Handler<M67> {
        @Override
        public Integer handle(M67 m) {
            return add(m.value);
        }
    }

    record M68(int value) implements Message {}

    static final class H68 extends Sum implements Handler<M68> {
        @Override
        public Integer handle(M68 m) {
            return add(m.value);
        }
    }

    record M69(int value) implements Message {}

    static final class H69 extends Sum implements Handler<M69> {
        @Override
        public Integer handle(M69 m) {
            return add(m.value);
        }
    }

    record M70(int value) implements Message {}

    static final class H70 extends Sum implements Handler<M70> {
        @Override
        public Integer handle(M70 m) {
            return add(m.value);
        }
    }

    record M71(int value) implements Message {}

    static final class H71 extends Sum implements Handler<M71> {
        @Override
        public Integer handle(M71 m) {
            return add(m.value);
        }
    }

    record M72(int value) implements Message {}

    static final class H72 extends Sum implements Handler<M72> {
        @Override
        public Integer handle(M72 m) {
            return add(m.value);
        }
    }

    record M73(int value) implements Message {}

    static final class H73 extends Sum implements Handler<M73> {
        @Override
        public Integer handle(M73 m) {
            return add(m.value);
        }
    }

    record M74(int value) implements Message {}

    static final class H74 extends Sum implements Handler<M74> {
        @Override
        public Integer handle(M74 m) {
            return add(m.value);
        }
    }

    record M75(int value) implements Message {}

    static final class H75 extends Sum implements Handler<M75> {
        @Override
        public Integer handle(M75 m) {
            return add(m.value);
        }
    }

    record M76(int value) implements Message {}

    static final class H76 extends Sum implements Handler<M76> {
        @Override
        public Integer handle(M76 m) {
            return add(m.value);
        }
    }

    record M77(int value) implements Message {}

    static final class H77 extends Sum implements Handler<M77> {
        @Override
        public Integer handle(M77 m) {
            return add(m.value);
        }
    }

    record M78(int value) implements Message {}

    static final class H78 extends Sum implements Handler<M78> {
        @Override
        public Integer handle(M78 m) {
            return add(m.value);
        }
    }

    record M79(int value) implements Message {}

    static final class H79 extends Sum implements Handler<M79> {
        @Override
        public Integer handle(M79 m) {
            return add(m.value);
        }
    }

    record M80(int value) implements Message {}

    static final class H80 extends Sum implements Handler<M80> {
        @Override
        public Integer handle(M80 m) {
            return add(m.value);
        }
    }

    record M81(int value) implements Message {}

    static final class H81 extends Sum implements Handler<M81> {
        @Override
        public Integer handle(M81 m) {
            return add(m.value);
        }
    }

    record M82(int value) implements Message {}

    static final class H82 extends Sum implements Handler<M82> {
        @Override
        public Integer handle(M82 m) {
            return add(m.value);
        }
    }

    record M83(int value) implements Message {}

    static final class H83 extends Sum implements Handler<M83> {
        @Override
        public Integer handle(M83 m) {
            return add(m.value);
        }
    }

    record M84(int value) implements Message {}

    static final class H84 extends Sum implements Handler<M84> {
        @Override
        public Integer handle(M84 m) {
            return add(m.value);
        }
    }

    record M85(int value) implements Message {}

    static final class H85 extends Sum implements Handler<M85> {
        @Override
        public Integer handle(M85 m) {
            return add(m.value);
        }
    }

    record M86(int value) implements Message {}

    static final class H86 extends Sum implements Handler<M86> {
        @Override
        public Integer handle(M86 m) {
            return add(m.value);
        }
    }

    record M87(int value) implements Message {}

    static final class H87 extends Sum implements Handler<M87> {
        @Override
        public Integer handle(M87 m) {
            return add(m.value);
        }
    }

    record M88(int value) implements Message {}

    static final class H88 extends Sum implements Handler<M88> {
        @Override
        public Integer handle(M88 m) {
            return add(m.value);
        }
    }

    record M89(int value) implements Message {}

    static final class H89 extends Sum implements Handler<M89> {
        @Override
        public Integer handle(M89 m) {
            return add(m.value);
        }
    }

    record M90(int value) implements Message {}

    static final class H90 extends Sum implements Handler<M90> {
        @Override
        public Integer handle(M90 m) {
            return add(m.value);
        }
    }

    record M91(int value) implements Message {}

    static final class H91 extends Sum implements Handler<M91> {
        @Override
        public Integer handle(M91 m) {
            return add(m.value);
        }
    }

    record M92(int value) implements Message {}

    static final class H92 extends Sum implements Handler<M92> {
        @Override
        public Integer handle(M92 m) {
            return add(m.value);
        }
    }

    record M93(int value) implements Message {}

    static final class H93 extends Sum implements Handler<M93> {
        @Override
        public Integer handle(M93 m) {
            return add(m.value);
        }
    }

    record M94(int value) implements Message {}

    static final class H94 extends Sum implements Handler<M94> {
        @Override
        public Integer handle(M94 m) {
            return add(m.value);
        }
    }

    record M95(int value) implements Message {}

    static final class H95 extends Sum implements Handler<M95> {
        @Override
        public Integer handle(M95 m) {
            return add(m.value);
        }
    }

    record M96(int value) implements Message {}

    static final class H96 extends Sum implements Handler<M96> {
        @Override
        public Integer handle(M96 m) {
            return add(m.value);
        }
    }

    record M97(int value) implements Message {}

    static final class H97 extends Sum implements Handler<M97> {
        @Override
        public Integer handle(M97 m) {
            return add(m.value);
        }
    }

    record M98(int value) implements Message {}

    static final class H98 extends Sum implements Handler<M98> {
        @Override
        public Integer handle(M98 m) {
            return add(m.value);
        }
    }

    record M99(int value) implements Message {}

    static final class H99 extends Sum implements Handler<M99> {
        @Override
        public Integer handle(M99 m) {
            return add(m.value);
        }
    }
}
