import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Set;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;

/**
 * Reads what the console consumer prints of records, "Partition:3", the key and more with tabs
 * between them, and fails when one does not stand where the Java producer would put it. It runs as
 * it is: java -cp "$LIBS/*" Placement.java PARTITIONS.
 */
public class Placement {
    public static void main(String[] args) throws Exception {
        int partitions = Integer.parseInt(args[0]);
        long records = 0;
        Set<String> keys = new HashSet<>();
        Set<Integer> used = new HashSet<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; records++) {
            String[] fields = line.split("\t", 3);
            if (fields.length < 3 || !fields[0].startsWith("Partition:") || fields[1].equals("null")) {
                fail("record " + records + " has no key: " + line);
            }
            int stands = Integer.parseInt(fields[0].substring("Partition:".length()));
            int wanted = BuiltInPartitioner.partitionForKey(fields[1].getBytes(StandardCharsets.UTF_8), partitions);
            if (stands != wanted) {
                fail("key " + fields[1] + " stands in partition " + stands + ", not " + wanted);
            }
            keys.add(fields[1]);
            used.add(stands);
        }
        if (used.size() != partitions) {
            fail(records + " records in " + used.size() + " of " + partitions + " partitions");
        }
        System.out.println(records + " records with " + keys.size() + " keys in " + partitions + " partitions");
    }

    private static void fail(String what) {
        System.err.println("Placement: " + what);
        System.exit(1);
    }
}
