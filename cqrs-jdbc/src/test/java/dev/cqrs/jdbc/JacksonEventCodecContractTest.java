package dev.cqrs.jdbc;

import dev.cqrs.contract.EventCodecContract;
import dev.cqrs.event.EventCodec;

class JacksonEventCodecContractTest extends EventCodecContract {

    @Override
    protected EventCodec codec() {
        return new JacksonEventCodec();
    }
}
