/* verbs: what siotctl can do. Each function is given its own words of the command line, argv[0]
 * being the verb itself, and returns an exit status (say.h). */
#ifndef SIOTD_SIOTCTL_VERBS_H
#define SIOTD_SIOTCTL_VERBS_H

/* A certificate authority; users and passwords; devices and pre-shared keys. */
int pki_run(int argc, char **argv);
int passwd_run(int argc, char **argv);
int psk_run(int argc, char **argv);
/* What users may do. */
int acl_run(int argc, char **argv);
/* A client of the broker. */
int pub_run(int argc, char **argv);
int sub_run(int argc, char **argv);

#endif
