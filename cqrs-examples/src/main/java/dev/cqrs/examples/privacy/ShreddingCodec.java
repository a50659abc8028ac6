package dev.cqrs.examples.privacy;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.cqrs.event.EventCodec;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import javax.crypto.Cipher;
import javax.crypto.SecretKey;
import javax.crypto.spec.GCMParameterSpec;
import org.jspecify.annotations.Nullable;

/**
 * A codec around another that encrypts the personal fields of events, with the key of the person they are about.
 *
 * <p>In place of its value, a personal field holds the name of a key, the value encrypted with it, and what is to be read
 * once the key is destroyed. So a payload says by itself what is personal in it, whatever class or revision it is of, and
 * upcasters see plain fields.
 *
 * <p>Encryption is AES-GCM, with 256 bits of key and 96 random bits each time, so that one key may encrypt some billions
 * of fields. Name of the key and of the field are authenticated: a value cannot be moved to another field or person.
 *
 * <p><b>Threads:</b> thread-safe.
 */
public final class ShreddingCodec implements EventCodec {

    private static final String SEALED = "@sealed";
    private static final String KEY = "@key";
    private static final String FORGOTTEN = "@forgotten";
    private static final int NONCE_BYTES = 12;
    private static final int TAG_BITS = 128;

    private final EventCodec inner;
    private final PersonalKeys keys;
    private final SecureRandom random;
    private final Map<Class<?>, Personal<?>> personal = new HashMap<>();

    /**
     * What is personal in a class of events.
     *
     * @param <E> the class
     * @param type the class
     * @param person tells whom an event is about
     * @param fields the personal fields, each with what is read in its place once the person is forgotten
     */
    public record Personal<E>(Class<E> type, Function<? super E, String> person, Map<String, Object> fields) {

        /**
         * Copies the fields.
         *
         * @param type the class
         * @param person tells whom an event is about
         * @param fields the personal fields, each with what is read in its place once the person is forgotten
         */
        public Personal {
            fields = Map.copyOf(fields);
        }

        String personOf(Object event) {
            return person.apply(type.cast(event));
        }
    }

    /**
     * Makes a codec.
     *
     * @param inner turns events and documents into bytes
     * @param keys the keys of persons
     * @param random makes the nonces
     * @param personal what is personal, in which classes; events of other classes are left as they are
     */
    public ShreddingCodec(EventCodec inner, PersonalKeys keys, SecureRandom random, List<Personal<?>> personal) {
        this.inner = inner;
        this.keys = keys;
        this.random = random;
        personal.forEach(rule -> this.personal.put(rule.type(), rule));
    }

    @Override
    public byte[] encode(Object value) {
        var rule = personal.get(value.getClass());
        if (rule == null) {
            return inner.encode(value);
        }
        var fields = document(inner.encode(value));
        var key = keys.keyOf(rule.personOf(value));
        rule.fields().forEach((field, forgotten) -> {
            if (!fields.containsKey(field)) {
                throw new IllegalStateException("The field \"" + field + "\" of "
                        + value.getClass().getName() + " is to be encrypted, but the event has only " + fields.keySet()
                        + ". Was it renamed?");
            }
            var sealed = new LinkedHashMap<String, Object>();
            sealed.put(KEY, key.id());
            sealed.put(SEALED, seal(field, fields.get(field), key));
            sealed.put(FORGOTTEN, forgotten);
            fields.put(field, sealed);
        });
        return inner.encode(fields);
    }

    @Override
    public <T> T decode(byte[] payload, Class<T> type) {
        var fields = document(payload);
        boolean any = false;
        for (var field : fields.entrySet()) {
            if (field.getValue() instanceof Map<?, ?> sealed && sealed.containsKey(SEALED)) {
                field.setValue(open(field.getKey(), sealed));
                any = true;
            }
        }
        return inner.decode(any ? inner.encode(fields) : payload, type);
    }

    private String seal(String field, @Nullable Object value, PersonalKeys.Key key) {
        var nonce = new byte[NONCE_BYTES];
        random.nextBytes(nonce);
        // a list, so that any value of a document is one
        var plain = inner.encode(Map.of("value", value == null ? List.of() : List.of(value)));
        var sealed = Arrays.copyOf(nonce, NONCE_BYTES + plain.length + TAG_BITS / 8);
        try {
            var cipher = cipher(Cipher.ENCRYPT_MODE, key.secret(), nonce, key.id(), field);
            cipher.doFinal(plain, 0, plain.length, sealed, NONCE_BYTES);
        } catch (GeneralSecurityException impossible) {
            throw new IllegalStateException("The field \"" + field + "\" cannot be encrypted.", impossible);
        }
        return Base64.getEncoder().encodeToString(sealed);
    }

    private @Nullable Object open(String field, Map<?, ?> sealed) {
        var id = (String) Objects.requireNonNull(sealed.get(KEY), KEY);
        var key = keys.find(id);
        if (key.isEmpty()) {
            return sealed.get(FORGOTTEN);
        }
        try {
            var bytes = Base64.getDecoder().decode((String) Objects.requireNonNull(sealed.get(SEALED), SEALED));
            var nonce = Arrays.copyOf(bytes, NONCE_BYTES);
            var cipher = cipher(Cipher.DECRYPT_MODE, key.get(), nonce, id, field);
            var plain = cipher.doFinal(bytes, NONCE_BYTES, bytes.length - NONCE_BYTES);
            var value = (List<?>) Objects.requireNonNull(document(plain).get("value"), "value");
            return value.isEmpty() ? null : value.get(0);
        } catch (GeneralSecurityException | IllegalArgumentException damaged) {
            throw new IllegalStateException(
                    "The field \"" + field + "\" cannot be decrypted with the key " + id
                            + ": it was changed since it was written, or the key store holds another key of that name.",
                    damaged);
        }
    }

    private static Cipher cipher(int mode, SecretKey key, byte[] nonce, String id, String field)
            throws GeneralSecurityException {
        var cipher = Cipher.getInstance("AES/GCM/NoPadding");
        cipher.init(mode, key, new GCMParameterSpec(TAG_BITS, nonce));
        cipher.updateAAD((id + ' ' + field).getBytes(UTF_8));
        return cipher;
    }

    @SuppressWarnings("unchecked") // the contract of codecs
    private Map<String, Object> document(byte[] payload) {
        return new LinkedHashMap<String, Object>(inner.decode(payload, Map.class));
    }
}
