/* upstream PATH PORT [BODY]: answers every POST, on a socket of the file system and on loopback, with the same prediction at once:
   a model that costs nothing. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MOST 4096
#define ROOM 65536

static char *held[MOST];
static int filled[MOST];
static const char prediction[] = "{\"predictions\": [0.51234]}";
static char answer[ROOM];
static size_t answer_size;

/* Bytes of the first whole request in the buffer; 0 while it is not whole. */
static int whole(int fd) {
    held[fd][filled[fd]] = 0;
    char *end = strstr(held[fd], "\r\n\r\n");
    if (!end) return 0;
    int body = 0;
    for (char *line = strstr(held[fd], "\r\n"); line && line < end; line = strstr(line + 2, "\r\n"))
        if (!strncasecmp(line + 2, "content-length:", 15)) body = atoi(line + 2 + 15);
    int all = (int)(end - held[fd]) + 4 + body;
    return filled[fd] >= all ? all : 0;
}

static void serve(int fd) {
    ssize_t got = read(fd, held[fd] + filled[fd], (size_t)(ROOM - 1 - filled[fd]));
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN) return;
        close(fd);
        return;
    }
    filled[fd] += (int)got;
    for (int all; (all = whole(fd)) > 0;) {
        memmove(held[fd], held[fd] + all, (size_t)(filled[fd] - all));
        filled[fd] -= all;
        if (write(fd, answer, answer_size) < 0) return;
    }
}

int main(int count, char **words) {
    if (count != 3 && count != 4) return 2;
    const char *body = count == 4 ? words[3] : prediction;
    int size = snprintf(answer, ROOM, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
                        strlen(body), body);
    if (size < 0 || size >= ROOM) return 2;
    answer_size = (size_t)size;
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", words[1]);
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[2]))};
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int doors[2] = {socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)};
    int yes = 1, ready = epoll_create1(0);
    setsockopt(doors[1], SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(doors[0], (struct sockaddr *)&name, sizeof name)) return 1;
    if (bind(doors[1], (struct sockaddr *)&place, sizeof place)) return 1;
    struct epoll_event wanted = {.events = EPOLLIN}, found[64];
    for (int i = 0; i < 2; i++) {
        if (listen(doors[i], 1024)) return 1;
        wanted.data.fd = doors[i];
        epoll_ctl(ready, EPOLL_CTL_ADD, doors[i], &wanted);
    }
    for (;;) {
        int number = epoll_wait(ready, found, 64, -1);
        for (int i = 0; i < number; i++) {
            int fd = found[i].data.fd;
            if (fd != doors[0] && fd != doors[1]) {
                serve(fd);
                continue;
            }
            int is_tcp = fd == doors[1];
            while ((fd = accept4(doors[is_tcp], 0, 0, SOCK_NONBLOCK)) >= 0 && fd < MOST) {
                if (is_tcp) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                if (!held[fd]) held[fd] = malloc(ROOM);
                filled[fd] = 0;
                wanted.data.fd = fd;
                epoll_ctl(ready, EPOLL_CTL_ADD, fd, &wanted);
            }
        }
    }
}
