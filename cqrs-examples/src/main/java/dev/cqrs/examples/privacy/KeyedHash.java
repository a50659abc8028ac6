package dev.cqrs.examples.privacy;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.cqrs.event.Tag;
import java.security.GeneralSecurityException;
import java.util.HexFormat;
import javax.crypto.Mac;
import javax.crypto.SecretKey;

/**
 * Tags that tell nothing to whoever sees the log: HMAC-SHA256 of the value, under a key of the application. A plain hash
 * would not do: persons' ids, names and addresses can be guessed one by one, and their hashes compared.
 *
 * <p><b>Threads:</b> thread-safe.
 */
public final class KeyedHash {

    private final SecretKey key;

    /**
     * Makes tags under a key.
     *
     * @param key the application's, for HmacSHA256; kept apart from the log, and never changed, or old tags are not found
     */
    public KeyedHash(SecretKey key) {
        this.key = key;
    }

    /**
     * Gives the tag of a value; equal values have equal tags, so that it can be queried for.
     *
     * @param kind the tag's key, such as {@code member}
     * @param value what is not to be seen
     * @return never {@code null}
     */
    public Tag tag(String kind, String value) {
        try {
            var mac = Mac.getInstance("HmacSHA256");
            mac.init(key);
            // the kind is hashed as well: the same value under another kind has nothing in common with it
            return Tag.of(kind, HexFormat.of().formatHex(mac.doFinal((kind + ':' + value).getBytes(UTF_8))));
        } catch (GeneralSecurityException impossible) {
            throw new IllegalStateException("No tag of kind \"" + kind + "\" can be made.", impossible);
        }
    }
}
