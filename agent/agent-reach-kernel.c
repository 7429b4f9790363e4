/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes every connection of a program that leaves the loopback end at one socket of the agent's: a
 * program of the kernel's (BPF, sk_lookup, Linux 5.9) that looks which socket a connection is for.
 * The socket sees address and port as the program meant them, and so does the program. It needs no
 * module, no rule of a firewall and no second network namespace, takes no port from anybody's
 * server, and costs 1.5 ms of the boot and some KiB. */
#include "agent-reach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DNS_PORT 53
#define BACKLOG 1024

/* As the program loads an address: its bytes in the order of the wire, read little-endian. */
#define LOOPBACK_MASK 0x000000ffu
#define LOOPBACK 0x0000007fu
#define SELF 0x010012c6u

#define OP(c, d, s, o, i)                                                                          \
  {                                                                                                \
    .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)                            \
  }
#define LOAD(d, s, offset) OP (BPF_LDX | BPF_MEM | BPF_W, d, s, offset, 0)
#define LOAD_CONTEXT(d, field) LOAD (d, BPF_REG_6, offsetof (struct bpf_sk_lookup, field))
#define SET(d, s) OP (BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define SET_NUMBER(d, i) OP (BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD_NUMBER(d, i) OP (BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define AND_NUMBER(d, i) OP (BPF_ALU64 | BPF_AND | BPF_K, d, 0, 0, i)
#define STORE_NUMBER(d, offset, i) OP (BPF_ST | BPF_MEM | BPF_W, d, 0, offset, i)
#define IF_NOT_SKIP(d, i, skip) OP (BPF_JMP | BPF_JNE | BPF_K, d, 0, skip, i)
#define IF_SKIP(d, i, skip) OP (BPF_JMP | BPF_JEQ | BPF_K, d, 0, skip, i)
#define CALL(function) OP (BPF_JMP | BPF_CALL, 0, 0, 0, function)
#define RETURN(verdict) SET_NUMBER (BPF_REG_0, verdict), OP (BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static int
call_bpf (int command, union bpf_attr *attributes)
{
  return (int)syscall (SYS_bpf, command, attributes, sizeof *attributes);
}

/* Of one socket: what a program of the kernel's can name. */
static int
make_map (int socket_fd)
{
  union bpf_attr map
      = { .map_type = BPF_MAP_TYPE_SOCKMAP, .key_size = 4, .value_size = 8, .max_entries = 1 };
  uint32_t key = 0;
  uint64_t value = (uint64_t)socket_fd;
  int fd = call_bpf (BPF_MAP_CREATE, &map);
  union bpf_attr update
      = { .map_fd = (uint32_t)fd, .key = (uintptr_t)&key, .value = (uintptr_t)&value };

  if (fd >= 0 && call_bpf (BPF_MAP_UPDATE_ELEM, &update) != 0)
    {
      close (fd);
      fd = -1;
    }
  return fd;
}

/* TCP to an address that is not of 127.0.0.0/8: the agent's socket. Questions by UDP find theirs
 * by themselves, and so do answers: who asked by a socket that is not connected has the same
 * address, and a port of the program's own. There is no other UDP. */
static int
load_program (int map_fd)
{
  const struct bpf_insn code[] = {
    SET (BPF_REG_6, BPF_REG_1),
    LOAD_CONTEXT (BPF_REG_2, family),
    IF_NOT_SKIP (BPF_REG_2, AF_INET, 7),
    LOAD_CONTEXT (BPF_REG_3, local_ip4),
    SET (BPF_REG_2, BPF_REG_3),
    AND_NUMBER (BPF_REG_2, LOOPBACK_MASK),
    IF_SKIP (BPF_REG_2, LOOPBACK, 3),
    LOAD_CONTEXT (BPF_REG_2, protocol),
    IF_SKIP (BPF_REG_2, IPPROTO_TCP, 4),
    IF_NOT_SKIP (BPF_REG_3, SELF, 1),
    /* the eleventh, which the skips above count on: as it would be without us */
    OP (BPF_JMP | BPF_JA, 0, 0, 16, 0),
    RETURN (SK_DROP),
    STORE_NUMBER (BPF_REG_10, -4, 0),
    SET (BPF_REG_2, BPF_REG_10),
    ADD_NUMBER (BPF_REG_2, -4),
    OP (BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_fd),
    { 0 },
    CALL (BPF_FUNC_map_lookup_elem),
    /* no socket is 0, and so is SK_DROP: to the very end */
    IF_SKIP (BPF_REG_0, 0, 8),
    SET (BPF_REG_7, BPF_REG_0),
    SET (BPF_REG_1, BPF_REG_6),
    SET (BPF_REG_2, BPF_REG_7),
    SET_NUMBER (BPF_REG_3, 0),
    CALL (BPF_FUNC_sk_assign),
    SET (BPF_REG_1, BPF_REG_7),
    CALL (BPF_FUNC_sk_release),
    RETURN (SK_PASS),
  };
  union bpf_attr program = {
    .prog_type = BPF_PROG_TYPE_SK_LOOKUP,
    .expected_attach_type = BPF_SK_LOOKUP,
    .insns = (uintptr_t)code,
    .insn_cnt = sizeof code / sizeof code[0],
    .license = (uintptr_t) "LGPL-2.1-or-later",
  };

  return call_bpf (BPF_PROG_LOAD, &program);
}

/* For as long as this process lives: the descriptor of the link is nobody's. */
static bool
attach (int program_fd)
{
  int namespace_fd = open ("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  union bpf_attr link = { .link_create = { .prog_fd = (uint32_t)program_fd,
                                           .target_fd = (uint32_t)namespace_fd,
                                           .attach_type = BPF_SK_LOOKUP } };
  bool ok = namespace_fd >= 0 && call_bpf (BPF_LINK_CREATE, &link) >= 0;

  if (namespace_fd >= 0)
    close (namespace_fd);
  return ok;
}

static bool
steer (int socket_fd)
{
  int map_fd = make_map (socket_fd), program_fd = map_fd >= 0 ? load_program (map_fd) : -1;
  bool ok = program_fd >= 0 && attach (program_fd);

  if (map_fd >= 0)
    close (map_fd);
  if (program_fd >= 0)
    close (program_fd);
  return ok;
}

/* Of an address that the loopback gets later. */
static int
make_socket (int type)
{
  struct sockaddr_in address = { .sin_family = AF_INET,
                                 .sin_port = htons (DNS_PORT),
                                 .sin_addr.s_addr = htonl (BERTH_AGENT_REACH_SELF) };
  int fd = socket (AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

  if (fd >= 0
      && (setsockopt (fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof one) != 0
          || bind (fd, (struct sockaddr *)&address, sizeof address) != 0
          || (type == SOCK_STREAM && listen (fd, BACKLOG) != 0)))
    {
      close (fd);
      fd = -1;
    }
  return fd;
}

BerthAgentReachSockets
berth_agent_reach_prepare (void)
{
  BerthAgentReachSockets self
      = { .connections = make_socket (SOCK_STREAM), .datagrams = make_socket (SOCK_DGRAM) };

  if (self.connections >= 0 && self.datagrams >= 0 && steer (self.connections))
    return self;
  if (self.connections >= 0)
    close (self.connections);
  if (self.datagrams >= 0)
    close (self.datagrams);
  return (BerthAgentReachSockets){ .connections = -1, .datagrams = -1 };
}
