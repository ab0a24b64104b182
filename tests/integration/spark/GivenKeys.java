import java.util.Base64;
import java.util.Map;
import java.util.HashMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.crypto.keytools.KmsClient;

/** Answers with data keys that it was given, by the name under which the file asks; what the file wrapped is not looked at. */
public class GivenKeys implements KmsClient {
  private final Map<String, byte[]> keys = new HashMap<>();

  @Override
  public void initialize(Configuration configuration, String instance, String url, String token) {
    for (String pair : configuration.getTrimmedStrings("given.keys")) {
      int at = pair.lastIndexOf(':');
      keys.put(pair.substring(0, at), Base64.getDecoder().decode(pair.substring(at + 1)));
    }
  }

  @Override
  public String wrapKey(byte[] key, String name) {
    throw new UnsupportedOperationException("this client only reads");
  }

  @Override
  public byte[] unwrapKey(String wrapped, String name) {
    String column = name.substring(name.indexOf('/', name.indexOf('/') + 1) + 1);
    if (!keys.containsKey(column)) {
      throw new org.apache.parquet.crypto.KeyAccessDeniedException("no key for " + column);
    }
    return keys.get(column);
  }
}
