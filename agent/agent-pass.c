/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Control messages are laid out here and nowhere else. */
#include "agent-pass.h"

#include <string.h>
#include <sys/socket.h>

bool
berth_agent_pass_send (int socket_fd, const void *bytes, size_t size, int fd, int flags)
{
  _Alignas(struct cmsghdr) char room[CMSG_SPACE (sizeof fd)] = { 0 };
  struct iovec vector = { (void *)bytes, size };
  struct msghdr message
      = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
  struct cmsghdr *head = CMSG_FIRSTHDR (&message);

  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN (sizeof fd);
  memcpy (CMSG_DATA (head), &fd, sizeof fd);
  return sendmsg (socket_fd, &message, MSG_NOSIGNAL | flags) == (ssize_t)size;
}

ssize_t
berth_agent_pass_receive (int socket_fd, void *bytes, size_t size, int *out_fd, int flags)
{
  _Alignas(struct cmsghdr) char room[CMSG_SPACE (sizeof *out_fd)];
  struct iovec vector = { bytes, size };
  struct msghdr message
      = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
  ssize_t got = recvmsg (socket_fd, &message, flags);
  struct cmsghdr *head = got > 0 ? CMSG_FIRSTHDR (&message) : NULL;

  *out_fd = -1;
  if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS
      && head->cmsg_len == CMSG_LEN (sizeof *out_fd))
    memcpy (out_fd, CMSG_DATA (head), sizeof *out_fd);
  return got;
}
