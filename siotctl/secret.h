/* secret: a password from whoever sits at the terminal, or from a pipe. Never from the command
 * line, which every user of the machine can read. */
#ifndef SIOTD_SIOTCTL_SECRET_H
#define SIOTD_SIOTCTL_SECRET_H

#include <stdbool.h>
#include <stddef.h>

enum { SECRET_SIZE = 4096 };

/* Reads one line of the standard input without its line end. An exit status; says why not. The
 * caller wipes the secret; so for the other. */
int secret_from_stdin(char secret[SECRET_SIZE], size_t *len);

/* Asks twice at the terminal, without showing what is typed. */
int secret_ask(const char *user, char secret[SECRET_SIZE], size_t *len);

#endif
