import java.io.*;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.*;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.*;
import javax.net.ssl.*;

/**
 * HTTPS servers on JSSE, one for each line of standard input: chain, key, CA of clients, versions and the one name that is
 * served, with tabs between them and - for none. Answers each line with the port; ends with its input.
 */
public class Server {
    public static void main(String[] arguments) throws Exception {
        // The runtime's list keeps it from serving what the tests want refused by the client.
        Security.setProperty("jdk.tls.disabledAlgorithms", "");
        Security.setProperty("jdk.certpath.disabledAlgorithms", "");
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = lines.readLine()) != null;) {
            try {
                System.out.println("port " + open(line.split("\t")));
            } catch (Exception refused) {
                System.out.println("refused " + refused);
            }
            System.out.flush();
        }
        System.exit(0);
    }

    static int open(String[] words) throws Exception {
        // The default kind of store, PKCS12, refuses a chain that is out of order or has one certificate too many.
        KeyStore store = KeyStore.getInstance("JKS");
        store.load(null, null);
        store.setKeyEntry("server", key(words[1]), new char[0], certificates(words[0]));
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, new char[0]);
        TrustManager[] trust = null;
        if (!words[2].equals("-")) {
            KeyStore anchors = KeyStore.getInstance("PKCS12");
            anchors.load(null, null);
            anchors.setCertificateEntry("clients", certificates(words[2])[0]);
            TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            managers.init(anchors);
            trust = managers.getTrustManagers();
        }
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust, null);
        InetAddress loopback = InetAddress.getByName("127.0.0.1");
        SSLServerSocket server = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(0, 50, loopback);
        SSLParameters parameters = server.getSSLParameters();
        if (!words[3].equals("-")) parameters.setProtocols(words[3].split(","));
        if (!words[4].equals("-")) parameters.setSNIMatchers(List.of(SNIHostName.createSNIMatcher(words[4].replace(".", "\\."))));
        parameters.setNeedClientAuth(trust != null);
        server.setSSLParameters(parameters);
        Thread acceptor = new Thread(() -> accept(server));
        acceptor.setDaemon(true);
        acceptor.start();
        return server.getLocalPort();
    }

    static void accept(SSLServerSocket server) {
        for (;;) {
            try {
                SSLSocket socket = (SSLSocket) server.accept();
                Thread worker = new Thread(() -> answer(socket));
                worker.setDaemon(true);
                worker.start();
            } catch (IOException ended) {
                return;
            }
        }
    }

    static void answer(SSLSocket socket) {
        try (socket) {
            socket.setSoTimeout(5000);
            BufferedReader request = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.ISO_8859_1));
            for (String line; (line = request.readLine()) != null && !line.isEmpty();) {}
            byte[] response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".getBytes(StandardCharsets.ISO_8859_1);
            socket.getOutputStream().write(response);
        } catch (IOException refused) {
            // What the tests are about.
        }
    }

    static Certificate[] certificates(String path) throws Exception {
        try (InputStream file = Files.newInputStream(Path.of(path))) {
            return CertificateFactory.getInstance("X.509").generateCertificates(file).toArray(new Certificate[0]);
        }
    }

    static PrivateKey key(String path) throws Exception {
        String body = Files.readString(Path.of(path)).replaceAll("-----[^-]+-----|\\s", "");
        PKCS8EncodedKeySpec spec = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(body));
        try {
            return KeyFactory.getInstance("EC").generatePrivate(spec);
        } catch (GeneralSecurityException other) {
            return KeyFactory.getInstance("RSA").generatePrivate(spec);
        }
    }
}
