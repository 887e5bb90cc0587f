/* Paho C over TLS, see tls_tools.py: PORT TOPIC CA [CERTIFICATE KEY].
 *
 * Subscribes to TOPIC/in, says "ready", publishes "from TLS" to TOPIC/out, says "heard ..." of the
 * first message and ends. */
#include <MQTTClient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 10000 };

static void fail(const char *what, int code)
{
    printf("FAILED %s: %d\n", what, code);
    exit(1);
}

static MQTTClient connected(char **argv, int argc)
{
    MQTTClient client;
    MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
    char uri[64];

    snprintf(uri, sizeof uri, "ssl://localhost:%s", argv[1]);
    tls.trustStore = argv[3];
    tls.keyStore = argc > 5 ? argv[4] : NULL;
    tls.privateKey = argc > 5 ? argv[5] : NULL;
    tls.enableServerCertAuth = 1;
    tls.verify = 1;
    options.ssl = &tls;
    int result = MQTTClient_create(&client, uri, argv[2], MQTTCLIENT_PERSISTENCE_NONE, NULL);
    if (result == MQTTCLIENT_SUCCESS)
        result = MQTTClient_connect(client, &options);
    if (result != MQTTCLIENT_SUCCESS)
        fail("connect", result);
    return client;
}

static void publish(MQTTClient client, const char *topic)
{
    static char payload[] = "from TLS";
    MQTTClient_deliveryToken token;
    int result = MQTTClient_publish(client, topic, (int)strlen(payload), payload, 1, 0, &token);

    if (result == MQTTCLIENT_SUCCESS)
        result = MQTTClient_waitForCompletion(client, token, PATIENCE_MS);
    if (result != MQTTCLIENT_SUCCESS)
        fail("publish", result);
}

int main(int argc, char **argv)
{
    char in[128], out[128], *topic = NULL;
    MQTTClient_message *message = NULL;
    int length;

    if (argc != 4 && argc != 6)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(in, sizeof in, "%s/in", argv[2]);
    snprintf(out, sizeof out, "%s/out", argv[2]);
    MQTTClient client = connected(argv, argc);
    int result = MQTTClient_subscribe(client, in, 1);
    if (result != MQTTCLIENT_SUCCESS)
        fail("subscribe", result);
    puts("ready");
    publish(client, out);
    result = MQTTClient_receive(client, &topic, &length, &message, PATIENCE_MS);
    if (!message)
        fail("receive", result);
    printf("heard %.*s\n", message->payloadlen, (char *)message->payload);
    MQTTClient_freeMessage(&message);
    MQTTClient_free(topic);
    MQTTClient_disconnect(client, 1000);
    MQTTClient_destroy(&client);
    return 0;
}
