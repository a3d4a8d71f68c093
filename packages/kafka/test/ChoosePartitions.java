import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Sends each key of standard input (one a line, in Base64) to every topic with Kafka's own producer, which is told of no
 * partition, and prints those it chose: a line a key, in the order of the topics.
 *
 * <p>Arguments: the brokers (host:port,…), then the topics.
 */
public class ChoosePartitions {
  public static void main(String[] arguments) throws Exception {
    List<String> topics = List.of(arguments).subList(1, arguments.length);
    Map<String, Object> settings = Map.of("bootstrap.servers", arguments[0], "linger.ms", 50);
    List<List<Future<RecordMetadata>>> sent = new ArrayList<>();
    try (KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
      BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        byte[] key = Base64.getDecoder().decode(line);
        List<Future<RecordMetadata>> copies = new ArrayList<>();
        for (String topic : topics) copies.add(producer.send(new ProducerRecord<>(topic, key, new byte[0])));
        sent.add(copies);
      }
    }
    StringBuilder text = new StringBuilder();
    for (List<Future<RecordMetadata>> copies : sent) {
      for (Future<RecordMetadata> copy : copies) text.append(copy.get().partition()).append(' ');
      text.append('\n');
    }
    System.out.print(text);
  }
}
