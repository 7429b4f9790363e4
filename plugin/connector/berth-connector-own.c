/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks the kernel as getifaddrs() does, but for bind(), which the connector has not. */
#include "plugin/connector/berth-connector-own.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_SIZE (64u * 1024u)
/* Addresses that change meanwhile are asked for again. */
#define TRIES 3u

typedef enum
{
  MORE,
  DONE,
  BROKEN,
} State;

static void
add_address (GPtrArray *own, const struct ifaddrmsg *message, struct rtattr *attribute)
{
  GSocketFamily family
      = message->ifa_family == AF_INET ? G_SOCKET_FAMILY_IPV4 : G_SOCKET_FAMILY_IPV6;
  gsize size = family == G_SOCKET_FAMILY_IPV4 ? 4 : 16;
  g_autoptr (GInetAddress) address
      = RTA_PAYLOAD (attribute) == size
            ? g_inet_address_new_from_bytes (RTA_DATA (attribute), family)
            : NULL;

  if (address != NULL)
    g_ptr_array_add (own, g_inet_address_mask_new (address, (guint)size * 8, NULL));
}

static void
take_interface (GPtrArray *own, struct nlmsghdr *head)
{
  const struct ifaddrmsg *message = NLMSG_DATA (head);
  int left = (int)IFA_PAYLOAD (head);

  if (message->ifa_family != AF_INET && message->ifa_family != AF_INET6)
    return;
  for (struct rtattr *at = IFA_RTA (message); RTA_OK (at, left); at = RTA_NEXT (at, left))
    if (at->rta_type == IFA_LOCAL || at->rta_type == IFA_ADDRESS)
      add_address (own, message, at);
}

static State
take_messages (GPtrArray *own, char *bytes, int size)
{
  for (struct nlmsghdr *head = (struct nlmsghdr *)bytes; NLMSG_OK (head, size);
       head = NLMSG_NEXT (head, size))
    {
      if (head->nlmsg_type == NLMSG_ERROR || (head->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
        return BROKEN;
      if (head->nlmsg_type == NLMSG_DONE)
        return DONE;
      if (head->nlmsg_type == RTM_NEWADDR)
        take_interface (own, head);
    }
  return MORE;
}

/* (transfer full) (nullable) */
static GPtrArray *
ask (int fd)
{
  struct
  {
    struct nlmsghdr head;
    struct ifaddrmsg message;
  } question = { .head = { .nlmsg_len = NLMSG_LENGTH (sizeof (struct ifaddrmsg)),
                           .nlmsg_type = RTM_GETADDR,
                           .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };
  g_autoptr (GPtrArray) own = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree char *bytes = g_malloc (BUFFER_SIZE);
  State state = MORE;

  /* lint: caller-fd: a socket of the kernel's, which has answered when send () returns */
  if (send (fd, &question, question.head.nlmsg_len, 0) < 0)
    return NULL;
  while (state == MORE)
    {
      gssize size = recv (fd, bytes, BUFFER_SIZE, MSG_TRUNC);

      state = size > 0 && size <= (gssize)BUFFER_SIZE ? take_messages (own, bytes, (int)size)
                                                      : BROKEN;
    }
  return state == DONE ? g_steal_pointer (&own) : NULL;
}

GPtrArray *
berth_connector_own_list (void)
{
  GPtrArray *own = NULL;

  for (guint i = 0; own == NULL && i < TRIES; i++)
    {
      int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

      if (fd < 0)
        return NULL;
      own = ask (fd);
      close (fd);
    }
  return own;
}
