/* keylog: writes what is needed to read recorded TLS connections, for those who debug with
 * Wireshark. Whoever has the file can read everything: it is off unless asked for. */
#ifndef SIOTD_TRANSPORTS_KEYLOG_H
#define SIOTD_TRANSPORTS_KEYLOG_H

/* Appends to `path` from now on (0600 when it is new), and says so loudly in the log. Returns 0 or
 * -errno; -ENOTSUP in a build without TLS. */
int keylog_open(const char *path);
void keylog_close(void);

#endif
