/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes every connection of a program that leaves the loopback end at one socket of the agent's, or
 * be refused before there is one: a program of the kernel's (BPF, sk_lookup, Linux 5.9) that looks
 * which socket a connection is for. The socket sees address and port as the program meant them, and
 * so does the program. It needs no module, no rule of a firewall and no second network namespace,
 * and takes no port from anybody's server. */
#include "agent-reach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent-file.h"

#define DNS_PORT 53
#define BACKLOG 1024
/* Of what the gate has: a name with more than fit in has all its ports, and the host decides. */
#define GATE_MAX 16384u
/* One page, of records of 32 bytes */
#define REFUSALS_SIZE 4096u

/* As the program loads an address: its bytes in the order of the wire, read little-endian. */
#define LOOPBACK_MASK 0x000000ffu
#define LOOPBACK 0x0000007fu
#define LOOPBACK6 0x01000000u /* the last of four words */
#define MAPPED 0xffff0000u    /* the third of four, of an address of IPv4 in one of IPv6 */
#define SELF 0x010012c6u

/* Of the gate, a trie: an address, and its port behind it, or any; 1: open, 0: not, of what is
 * known best */
typedef struct __attribute__ ((packed))
{
  uint32_t bits;
  BerthAgentEndpoint endpoint;
} GateKey;

#define BITS_OF_ADDRESS 128u
#define BITS_OF_BOTH 144u

#define OP(c, d, s, o, i)                                                                          \
  {                                                                                                \
    .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (int32_t)(i)                   \
  }
#define LOAD(d, s, offset) OP (BPF_LDX | BPF_MEM | BPF_W, d, s, offset, 0)
#define LOAD_BYTE(d, s) OP (BPF_LDX | BPF_MEM | BPF_B, d, s, 0, 0)
#define LOAD_CONTEXT(d, field) LOAD (d, BPF_REG_6, offsetof (struct bpf_sk_lookup, field))
#define SET(d, s) OP (BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define OR(d, s) OP (BPF_ALU64 | BPF_OR | BPF_X, d, s, 0, 0)
#define SET_NUMBER(d, i) OP (BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD_NUMBER(d, i) OP (BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define AND_NUMBER(d, i) OP (BPF_ALU64 | BPF_AND | BPF_K, d, 0, 0, i)
#define STORE(size, offset, s) OP (BPF_STX | BPF_MEM | (size), BPF_REG_10, s, offset, 0)
#define STORE_NUMBER(offset, i) OP (BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, offset, i)
/* From the instruction @at to @to */
#define GO(at, to) OP (BPF_JMP | BPF_JA, 0, 0, (to) - (at)-1, 0)
#define IF_GO(d, i, at, to) OP (BPF_JMP | BPF_JEQ | BPF_K, d, 0, (to) - (at)-1, i)
#define IF_NOT_GO(d, i, at, to) OP (BPF_JMP | BPF_JNE | BPF_K, d, 0, (to) - (at)-1, i)
#define LOAD_MAP(d, map_fd)                                                                        \
  OP (BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_FD, 0, map_fd),                                 \
  {                                                                                                \
    0                                                                                              \
  }
#define CALL(function) OP (BPF_JMP | BPF_CALL, 0, 0, 0, function)
#define RETURN(verdict) SET_NUMBER (BPF_REG_0, verdict), OP (BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/* On the program's stack */
#define KEY_AT (-24)
#define WORD_AT(i) (KEY_AT + 4 + 4 * (i))
#define PORT_AT (KEY_AT + 20)
#define INDEX_AT (-32)

/* Instructions that others go to */
#define AT_IPV4 18
#define AT_PROTOCOL 26
#define AT_DROP 28
#define AT_PASS 30
#define AT_GATE 32
#define AT_REFUSED 59

static int
call_bpf (int command, union bpf_attr *attributes)
{
  return (int)syscall (SYS_bpf, command, attributes, sizeof *attributes);
}

static int
make_map (uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t entries, uint32_t flags)
{
  union bpf_attr map = { .map_type = type,
                         .key_size = key_size,
                         .value_size = value_size,
                         .max_entries = entries,
                         .map_flags = flags };

  return call_bpf (BPF_MAP_CREATE, &map);
}

static bool
map_set (int map_fd, const void *key, const void *value)
{
  union bpf_attr update
      = { .map_fd = (uint32_t)map_fd, .key = (uintptr_t)key, .value = (uintptr_t)value };

  return call_bpf (BPF_MAP_UPDATE_ELEM, &update) == 0;
}

/* Of one socket: what a program of the kernel's can name. */
static int
make_socket_map (int socket_fd)
{
  uint32_t key = 0;
  uint64_t value = (uint64_t)socket_fd;
  int fd = make_map (BPF_MAP_TYPE_SOCKMAP, sizeof key, sizeof value, 1, 0);

  if (fd >= 0 && !map_set (fd, &key, &value))
    {
      close (fd);
      fd = -1;
    }
  return fd;
}

/* TCP to an address that is not the loopback's: the agent's socket, where the gate has address and
 * port, else it is refused, and noted. Questions by UDP find their socket by themselves, and so do
 * answers: who asked by a socket that is not connected has the same address, and a port of the
 * program's own. There is no other UDP. */
static int
load_program (int socket_map, int gate, int refusals)
{
  const struct bpf_insn code[] = {
    SET (BPF_REG_6, BPF_REG_1),
    LOAD_CONTEXT (BPF_REG_7, protocol),
    LOAD_CONTEXT (BPF_REG_2, family),
    IF_GO (BPF_REG_2, AF_INET, 3, AT_IPV4),
    IF_NOT_GO (BPF_REG_2, AF_INET6, 4, AT_PASS),
    LOAD_CONTEXT (BPF_REG_2, local_ip6[0]),
    STORE (BPF_W, WORD_AT (0), BPF_REG_2),
    LOAD_CONTEXT (BPF_REG_3, local_ip6[1]),
    STORE (BPF_W, WORD_AT (1), BPF_REG_3),
    OR (BPF_REG_2, BPF_REG_3),
    LOAD_CONTEXT (BPF_REG_3, local_ip6[2]),
    STORE (BPF_W, WORD_AT (2), BPF_REG_3),
    OR (BPF_REG_2, BPF_REG_3),
    LOAD_CONTEXT (BPF_REG_3, local_ip6[3]),
    STORE (BPF_W, WORD_AT (3), BPF_REG_3),
    IF_NOT_GO (BPF_REG_2, 0, 15, AT_PROTOCOL),
    IF_GO (BPF_REG_3, LOOPBACK6, 16, AT_PASS),
    GO (17, AT_PROTOCOL),
    [AT_IPV4] = LOAD_CONTEXT (BPF_REG_3, local_ip4),
    STORE_NUMBER (WORD_AT (0), 0),
    STORE_NUMBER (WORD_AT (1), 0),
    STORE_NUMBER (WORD_AT (2), MAPPED),
    STORE (BPF_W, WORD_AT (3), BPF_REG_3),
    SET (BPF_REG_2, BPF_REG_3),
    AND_NUMBER (BPF_REG_2, LOOPBACK_MASK),
    IF_GO (BPF_REG_2, LOOPBACK, 25, AT_PASS),
    [AT_PROTOCOL] = IF_GO (BPF_REG_7, IPPROTO_TCP, AT_PROTOCOL, AT_GATE),
    IF_GO (BPF_REG_3, SELF, 27, AT_PASS),
    [AT_DROP] = RETURN (SK_DROP),
    [AT_PASS] = RETURN (SK_PASS),
    [AT_GATE] = STORE_NUMBER (KEY_AT, BITS_OF_BOTH),
    LOAD_CONTEXT (BPF_REG_2, local_port),
    STORE (BPF_H, PORT_AT, BPF_REG_2),
    LOAD_MAP (BPF_REG_1, gate),
    SET (BPF_REG_2, BPF_REG_10),
    ADD_NUMBER (BPF_REG_2, KEY_AT),
    CALL (BPF_FUNC_map_lookup_elem),
    IF_GO (BPF_REG_0, 0, 40, AT_REFUSED),
    LOAD_BYTE (BPF_REG_1, BPF_REG_0),
    IF_GO (BPF_REG_1, 0, 42, AT_REFUSED),
    STORE_NUMBER (INDEX_AT, 0),
    SET (BPF_REG_2, BPF_REG_10),
    ADD_NUMBER (BPF_REG_2, INDEX_AT),
    LOAD_MAP (BPF_REG_1, socket_map),
    CALL (BPF_FUNC_map_lookup_elem),
    IF_GO (BPF_REG_0, 0, 49, AT_DROP),
    SET (BPF_REG_8, BPF_REG_0),
    SET (BPF_REG_1, BPF_REG_6),
    SET (BPF_REG_2, BPF_REG_8),
    SET_NUMBER (BPF_REG_3, 0),
    CALL (BPF_FUNC_sk_assign),
    SET (BPF_REG_1, BPF_REG_8),
    CALL (BPF_FUNC_sk_release),
    RETURN (SK_PASS),
    [AT_REFUSED] = LOAD_MAP (BPF_REG_1, refusals),
    SET (BPF_REG_2, BPF_REG_10),
    ADD_NUMBER (BPF_REG_2, KEY_AT),
    SET_NUMBER (BPF_REG_3, sizeof (GateKey)),
    SET_NUMBER (BPF_REG_4, 0),
    CALL (BPF_FUNC_ringbuf_output),
    RETURN (SK_DROP),
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

/* @self->gate and its refusals are made, whatever becomes of it. */
static bool
steer (BerthAgentReachSockets *self)
{
  int socket_map = make_socket_map (self->connections), program = -1;
  bool ok;

  self->gate = make_map (BPF_MAP_TYPE_LPM_TRIE, sizeof (GateKey), 1, GATE_MAX, BPF_F_NO_PREALLOC);
  self->refusals = make_map (BPF_MAP_TYPE_RINGBUF, 0, 0, REFUSALS_SIZE, 0);
  if (socket_map >= 0 && self->gate >= 0 && self->refusals >= 0)
    program = load_program (socket_map, self->gate, self->refusals);
  ok = program >= 0 && attach (program);
  berth_agent_file_close (&socket_map);
  berth_agent_file_close (&program);
  return ok;
}

/* ---- the gate ---- */

bool
berth_agent_reach_set_gate (int gate, const BerthAgentEndpoint *endpoint, BerthAgentGateState state)
{
  const GateKey key
      = { .bits = endpoint->port == 0 ? BITS_OF_ADDRESS : BITS_OF_BOTH, .endpoint = *endpoint };
  const uint8_t value = state == BERTH_AGENT_GATE_OPEN;
  union bpf_attr gone = { .map_fd = (uint32_t)gate, .key = (uintptr_t)&key };

  return state != BERTH_AGENT_GATE_UNKNOWN ? map_set (gate, &key, &value)
                                           : call_bpf (BPF_MAP_DELETE_ELEM, &gone) == 0;
}

bool
berth_agent_refusals_map (BerthAgentRefusals *self, int fd)
{
  size_t page = (size_t)sysconf (_SC_PAGESIZE);

  self->size = REFUSALS_SIZE;
  self->taken = mmap (NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  /* the kernel shows them twice, one behind the other, so that none has an edge in it */
  self->noted = self->taken != MAP_FAILED
                    ? mmap (NULL, page + 2 * self->size, PROT_READ, MAP_SHARED, fd, (off_t)page)
                    : MAP_FAILED;
  if (self->noted != MAP_FAILED)
    {
      self->records = (const uint8_t *)self->noted + page;
      return true;
    }
  if (self->taken != MAP_FAILED)
    munmap (self->taken, page);
  self->taken = NULL;
  return false;
}

void
berth_agent_refusals_unmap (BerthAgentRefusals *self)
{
  size_t page = (size_t)sysconf (_SC_PAGESIZE);

  if (self->taken == NULL)
    return;
  munmap (self->taken, page);
  munmap ((void *)self->noted, page + 2 * self->size);
  self->taken = NULL;
}

bool
berth_agent_refusals_take (BerthAgentRefusals *self, BerthAgentEndpoint *out)
{
  unsigned long at = *self->taken;

  while (at < __atomic_load_n (self->noted, __ATOMIC_ACQUIRE))
    {
      const uint32_t *head = (const uint32_t *)(self->records + (at & (self->size - 1)));
      uint32_t length = __atomic_load_n (head, __ATOMIC_ACQUIRE);
      size_t size = length & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
      const GateKey *key = (const GateKey *)(head + 2);

      if ((length & BPF_RINGBUF_BUSY_BIT) != 0)
        return false;
      at += (BPF_RINGBUF_HDR_SZ + size + 7) & ~7ul;
      *out = key->endpoint;
      __atomic_store_n (self->taken, at, __ATOMIC_RELEASE);
      if (size == sizeof (GateKey))
        return true;
    }
  return false;
}

/* ---- the sockets ---- */

/* Of an address that the loopback gets later; a socket of IPv6, where there is that, takes
 * connections to addresses of IPv4, too. */
static int
make_socket (int family, int type)
{
  struct sockaddr_in old = { .sin_family = AF_INET,
                             .sin_port = htons (DNS_PORT),
                             .sin_addr.s_addr = htonl (BERTH_AGENT_REACH_SELF) };
  struct sockaddr_in6 new = { .sin6_family = AF_INET6, .sin6_port = htons (DNS_PORT) };
  const struct sockaddr *address
      = family == AF_INET ? (struct sockaddr *)&old : (struct sockaddr *)&new;
  socklen_t size = family == AF_INET ? sizeof old : sizeof new;
  int fd = socket (family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, zero = 0;

  berth_agent_address_map (new.sin6_addr.s6_addr, BERTH_AGENT_REACH_SELF);
  if (fd >= 0
      && ((family == AF_INET6
           && setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero) != 0)
          || setsockopt (fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof one) != 0
          || bind (fd, address, size) != 0 || (type == SOCK_STREAM && listen (fd, BACKLOG) != 0)))
    {
      close (fd);
      fd = -1;
    }
  return fd;
}

BerthAgentReachSockets
berth_agent_reach_prepare (void)
{
  BerthAgentReachSockets self = { .connections = make_socket (AF_INET6, SOCK_STREAM),
                                  .datagrams = make_socket (AF_INET, SOCK_DGRAM),
                                  .gate = -1,
                                  .refusals = -1 };

  if (self.connections < 0)
    self.connections = make_socket (AF_INET, SOCK_STREAM);
  if (self.connections >= 0 && self.datagrams >= 0 && steer (&self))
    return self;
  berth_agent_file_close (&self.connections);
  berth_agent_file_close (&self.datagrams);
  berth_agent_file_close (&self.gate);
  berth_agent_file_close (&self.refusals);
  return self;
}
