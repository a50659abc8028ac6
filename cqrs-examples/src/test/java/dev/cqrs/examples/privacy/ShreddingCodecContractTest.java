package dev.cqrs.examples.privacy;

import dev.cqrs.contract.EventCodecContract;
import dev.cqrs.event.EventCodec;
import dev.cqrs.jdbc.JacksonEventCodec;
import java.security.SecureRandom;
import java.util.List;

class ShreddingCodecContractTest extends EventCodecContract {

    @Override
    protected EventCodec codec() {
        var random = new SecureRandom();
        return new ShreddingCodec(new JacksonEventCodec(), new InMemoryPersonalKeys(random), random, List.of());
    }
}
