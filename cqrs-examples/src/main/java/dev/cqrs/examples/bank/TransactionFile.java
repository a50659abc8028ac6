package dev.cqrs.examples.bank;

import java.io.ByteArrayInputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;

/**
 * A file of bank transactions in the PKDD'99 format, read row by row.
 *
 * <p>The first line names the columns; each line after it is a row. A blank line is none.
 *
 * <p><b>Threads:</b> not thread-safe.
 */
final class TransactionFile implements Closeable {

    private static final String SAMPLE = "sample.asc";

    private final String name;
    private final long size;
    private final LineReader lines;

    private TransactionFile(String name, long size, LineReader lines) {
        this.name = name;
        this.size = size;
        this.lines = lines;
    }

    /** Opens a file, up to its header; the caller closes it. */
    static TransactionFile open(Path path) throws UnusableFileException {
        try {
            if (Files.isDirectory(path)) {
                throw new UnusableFileException(path.toString(), "a directory, not a file");
            }
            return pastHeader(
                    new TransactionFile(path.toString(), Files.size(path), new LineReader(Files.newInputStream(path))));
        } catch (NoSuchFileException missing) {
            throw new UnusableFileException(path.toString(), "no such file");
        } catch (IOException unreadable) {
            throw new UnusableFileException(path.toString(), "cannot be read: " + unreadable);
        }
    }

    /** Opens the small sample that comes with this program: invented rows, most of them ordinary, some tricky. */
    static TransactionFile sample() throws UnusableFileException {
        try (var in = Objects.requireNonNull(TransactionFile.class.getResourceAsStream(SAMPLE), SAMPLE)) {
            var bytes = in.readAllBytes();
            return pastHeader(
                    new TransactionFile(SAMPLE, bytes.length, new LineReader(new ByteArrayInputStream(bytes))));
        } catch (IOException broken) {
            throw new UnusableFileException(SAMPLE, "cannot be read: " + broken);
        }
    }

    /** The next row; empty at the end. */
    Optional<Row> next() throws UnusableFileException {
        try {
            while (lines.advance()) {
                if (lines.isTooLong()) {
                    return Optional.of(new Row.Malformed(
                            lines.number(), "it has more than " + LineReader.MAX_LENGTH + " characters"));
                }
                var text = lines.text();
                if (!text.isBlank()) {
                    return Optional.of(RowParser.parse(lines.number(), text));
                }
            }
            return Optional.empty();
        } catch (IOException broken) {
            throw new UnusableFileException(name, "cannot be read behind line " + lines.number() + ": " + broken);
        }
    }

    /** How many bytes the file has. */
    long size() {
        return size;
    }

    /** How many of them have been read. */
    long consumed() {
        return lines.consumed();
    }

    @Override
    public void close() {
        try {
            lines.close();
        } catch (IOException broken) {
            throw new UncheckedIOException(broken);
        }
    }

    private static TransactionFile pastHeader(TransactionFile file) throws UnusableFileException, IOException {
        String fault;
        try {
            if (!file.lines.advance()) {
                fault = "the file is empty";
            } else if (file.lines.isTooLong() || !RowParser.isHeader(file.lines.text())) {
                fault = "line 1 is not the header; expected the columns " + String.join(";", RowParser.COLUMNS);
            } else {
                return file;
            }
        } catch (IOException broken) {
            file.close();
            throw broken;
        }
        file.close();
        throw new UnusableFileException(file.name, fault);
    }
}
