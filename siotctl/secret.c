/* secret: a password from whoever sits at the terminal, or from a pipe.
 *
 * The terminal shows what is typed again however we end: signals that would end us are only noted
 * while it does not, and raised afterwards. */
#include "siotctl/secret.h"

#include "siotctl/say.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { ENDING_COUNT = sizeof(ending) / sizeof(ending[0]) };

static volatile sig_atomic_t ended_by;

static void note(int number)
{
    ended_by = number;
}

/* Reads up to a line end or the end. 0, -EINTR when a signal has ended it, or another -errno. */
static int read_line(int fd, char secret[SECRET_SIZE], size_t *len)
{
    *len = 0;
    for (;;) {
        char c;
        ssize_t n = ended_by ? (errno = EINTR, -1) : read(fd, &c, 1);
        if (n < 0)
            return -errno;
        if (n == 0 || c == '\n')
            return 0;
        if (*len == SECRET_SIZE)
            return -EMSGSIZE;
        secret[(*len)++] = c;
    }
}

static int judge(int failed, char secret[SECRET_SIZE], size_t len)
{
    if (!failed && len > 0)
        return ENDED_WELL;
    explicit_bzero(secret, SECRET_SIZE);
    if (failed == -EMSGSIZE)
        return say_failed("a password has at most %d bytes", SECRET_SIZE);
    return say_failed("no password: %s", failed ? strerror(-failed) : "it is empty");
}

int secret_from_stdin(char secret[SECRET_SIZE], size_t *len)
{
    int failed = read_line(STDIN_FILENO, secret, len);
    if (!failed && *len > 0 && secret[*len - 1] == '\r')
        --*len;
    return judge(failed, secret, *len);
}

static int read_hidden(int terminal, char secret[SECRET_SIZE], size_t *len)
{
    int failed = read_line(terminal, secret, len);
    dprintf(terminal, "\n");
    return judge(failed, secret, *len);
}

static int ask_twice(int terminal, const char *user, char secret[SECRET_SIZE], size_t *len)
{
    char again[SECRET_SIZE];
    size_t again_len;
    dprintf(terminal, "Password for %s: ", user);
    int status = read_hidden(terminal, secret, len);
    if (status != ENDED_WELL)
        return status;
    dprintf(terminal, "The same again: ");
    status = read_hidden(terminal, again, &again_len);
    if (status == ENDED_WELL && (*len != again_len || memcmp(secret, again, again_len) != 0)) {
        explicit_bzero(secret, SECRET_SIZE);
        status = say_failed("the two are not the same; nothing was changed");
    }
    explicit_bzero(again, sizeof(again));
    return status;
}

int secret_ask(const char *user, char secret[SECRET_SIZE], size_t *len)
{
    struct sigaction before[ENDING_COUNT], noted;
    struct termios shown, hidden;
    int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0 || tcgetattr(terminal, &shown) != 0) {
        if (terminal >= 0)
            close(terminal);
        return say_failed("there is no terminal to ask at; --stdin reads the password from a pipe");
    }
    ended_by = 0;
    memset(&noted, 0, sizeof(noted)); /* no SA_RESTART: a read must end */
    noted.sa_handler = note;
    for (size_t i = 0; i < ENDING_COUNT; i++)
        sigaction(ending[i], &noted, &before[i]);
    hidden = shown;
    hidden.c_lflag &= (tcflag_t) ~(ECHO | ECHONL);
    tcsetattr(terminal, TCSAFLUSH, &hidden);
    int status = ask_twice(terminal, user, secret, len);
    tcsetattr(terminal, TCSAFLUSH, &shown);
    for (size_t i = 0; i < ENDING_COUNT; i++)
        sigaction(ending[i], &before[i], NULL);
    close(terminal);
    if (ended_by)
        raise(ended_by);
    return status;
}
