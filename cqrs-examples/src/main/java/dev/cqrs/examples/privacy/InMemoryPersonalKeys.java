package dev.cqrs.examples.privacy;

import java.security.SecureRandom;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import javax.crypto.SecretKey;
import javax.crypto.spec.SecretKeySpec;

/**
 * Keys in memory; stands for a table of its own, or for a service that keeps keys.
 *
 * <p><b>Threads:</b> thread-safe; one lock.
 */
public final class InMemoryPersonalKeys implements PersonalKeys {

    private final Map<String, Key> byPerson = new HashMap<>();
    private final Map<String, SecretKey> byId = new HashMap<>();
    private final SecureRandom random;

    /**
     * Makes a store without keys.
     *
     * @param random makes keys and their names
     */
    public InMemoryPersonalKeys(SecureRandom random) {
        this.random = random;
    }

    @Override
    public synchronized Key keyOf(String person) {
        return byPerson.computeIfAbsent(person, unknown -> {
            var key = new Key(HexFormat.of().formatHex(bytes(16)), new SecretKeySpec(bytes(32), "AES"));
            byId.put(key.id(), key.secret());
            return key;
        });
    }

    @Override
    public synchronized Optional<SecretKey> find(String id) {
        return Optional.ofNullable(byId.get(id));
    }

    @Override
    public synchronized void forget(String person) {
        var key = byPerson.remove(person);
        if (key != null) {
            byId.remove(key.id());
        }
    }

    private byte[] bytes(int count) {
        var bytes = new byte[count];
        random.nextBytes(bytes);
        return bytes;
    }
}
