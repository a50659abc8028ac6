package dev.cqrs.examples.privacy;

import java.util.Optional;
import javax.crypto.SecretKey;

/**
 * The keys of persons: one each, until the person is forgotten.
 *
 * <p>It is kept apart from the log and from the log's backups; its own backups last no longer than the time within which
 * a person is to be forgotten. Once {@link #forget} returns, no copy that this object can reach holds the key.
 *
 * <p><b>Threads:</b> thread-safe.
 */
public interface PersonalKeys {

    /**
     * A key, and the random name under which events refer to it, which tells nothing of the person.
     *
     * @param id 1 to 100 characters
     * @param secret for AES
     */
    record Key(String id, SecretKey secret) {}

    /**
     * Gives the key of a person, a new one if there is none.
     *
     * @param person the person's id
     * @return never {@code null}
     */
    Key keyOf(String person);

    /**
     * Gives the key with that name, unless it was destroyed.
     *
     * @param id the random name of a key
     * @return the key, or empty: its person was forgotten
     */
    Optional<SecretKey> find(String id);

    /**
     * Destroys the key of a person; without effect if there is none.
     *
     * @param person the person's id
     */
    void forget(String person);
}
