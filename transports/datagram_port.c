/* datagram_port: the one socket that all peers of a listener on datagrams share. */
#include "transports/datagram_state.h"

#include <errno.h>
#include <stdlib.h>

static struct slice table_key(const void *item)
{
    return endpoint_slice(&((const struct datagram *)item)->at);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    struct loop *loop = listener->loop;
    loop_enter(loop);
    /* libuv has stopped to poll: what the kernel has to say is said by the next receive. */
    if (status < 0)
        listener->port->watched = 0;
    if (events & UV_WRITABLE)
        datagram_output_flush(listener->port);
    if (!listener->stopped && (status < 0 || events & UV_READABLE))
        datagram_input_read(listener->port);
    port_watch(listener->port);
    loop_leave(loop);
}

void port_watch(struct port *port)
{
    struct listener *listener = port->listener;
    int wanted = (listener->stopped ? 0 : UV_READABLE) | (port->blocked ? UV_WRITABLE : 0);
    if (wanted == port->watched)
        return;
    uv_poll_start(&listener->poll, wanted, on_poll); /* no events: stops */
    port->watched = wanted;
}

static int prepare_loop(struct loop *loop, bool layered)
{
    if (!loop->inbox)
        loop->inbox = inbox_new();
    if (layered && !loop->greeting)
        loop->greeting = malloc(LOOP_GREETING_SIZE);
    return loop->inbox && (!layered || loop->greeting) ? 0 : -ENOMEM;
}

int port_open(struct listener *listener)
{
    struct port *port = calloc(1, sizeof(*port));
    if (!port || prepare_loop(listener->loop, listener->stack->datagram_layer) != 0) {
        free(port);
        return -ENOMEM;
    }
    int error = uv_poll_init(&listener->loop->uv, &listener->poll, listener->socket.fd);
    if (error) {
        free(port);
        return error;
    }
    port->listener = listener;
    listener->poll.data = listener;
    listener->port = port;
    map_init(&port->table, table_key);
    sources_init(&port->prefixes);
    timer_init(&port->sweep, datagram_peer_sweep);
    list_init(&port->siblings);
    list_append(&listener->loop->ports, &port->siblings);
    port->wildcard = datagram_socket_tune(&listener->socket, listener->settings.receive_buffer);
    port_watch(port);
    return 0;
}

void port_stop(struct port *port)
{
    datagram_input_forget_port(port);
    port_watch(port);
}

void port_close(struct port *port)
{
    if (!port)
        return;
    struct loop *loop = port->listener->loop;
    datagram_output_flush(port);
    timer_cancel(&loop->wheel, &port->sweep);
    list_remove(&port->siblings);
    datagram_output_clear(port);
    map_clear(&port->table);
    sources_clear(&port->prefixes);
    free(port->stranger);
    port->listener->port = NULL;
    free(port);
}
