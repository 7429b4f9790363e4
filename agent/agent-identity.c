/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What two clones of one snapshot would share, and what is done about it:
 * - the kernel's generator: mixed with the host's bytes and reseeded. getrandom (), /dev/urandom,
 *   Python's os.urandom, secrets and uuid, bash's SRANDOM are the kernel's.
 * - OpenSSL's generator in an interpreter that stands by (Node.js's crypto, its WebCrypto, keys and
 *   nonces): it keeps a seed for an hour at most, by the wall clock. Until an identity is set the
 *   guest's clock therefore shows a long-gone year: setting it makes every such seed too old.
 * - Python's random and Math.random: seeded again with the message that starts the program, see
 *   runners/. bash is never started ahead.
 * A session's interpreter that was used may go on in two VMs, too: of one state that libvirt has
 * restored twice, or a fork. At its first exec after an identity that is not its first, Python's
 * random and OpenSSL's generator in it are seeded again, and Math.random; OpenSSL in Node.js takes
 * seeds of nobody, so the clock is hidden again for the moment in which it draws one number: when
 * it asks for that, and for 50 ms at most, for all of the guest sees it; then it draws once more.
 * What Node.js has drawn ahead (UUIDs, randomInt) is thrown away. One that can't do it is ended
 * before any code. An unused one of the time of another identity is replaced. Left as after
 * fork(2): generators that a program made itself, in whatever language, programs that run, bash's
 * RANDOM.
 * - not changed: an interpreter's address space layout, its stack canary, Python's hash of strings,
 *   and Math.random in further contexts of Node.js's vm module. They differ between snapshots, not
 *   between clones of one.
 * So the clock must stay hidden until an identity comes, whatever runs before: the host's own no-op
 * does, and the interpreter that is loaded behind it is what a snapshot then holds. */
#include "agent-identity.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "agent-file.h"

/* Nothing runs for so long: a clock beyond it was set by a host. */
#define HIDDEN_FOR_NS (366 * 86400 * (int64_t)1000000000)

/* Sets the clock back; only before anything that looks at it runs. */
void
berth_agent_identity_hide_clock (void)
{
  struct timespec hidden = { .tv_sec = BERTH_HIDDEN_CLOCK_NS / 1000000000u };

  clock_settime (CLOCK_REALTIME, &hidden);
}

static int64_t
clock_ns (clockid_t id)
{
  struct timespec now;

  clock_gettime (id, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Hides it for a moment. */
void
berth_agent_identity_hide_clock_for (BerthAgentClock *clock)
{
  if (clock->ahead_ns == 0)
    clock->ahead_ns = clock_ns (CLOCK_REALTIME) - clock_ns (CLOCK_BOOTTIME);
  berth_agent_identity_hide_clock ();
}

/* Shows it again, unless it was set meanwhile. */
void
berth_agent_identity_show_clock (BerthAgentClock *clock)
{
  int64_t now = clock_ns (CLOCK_BOOTTIME) + clock->ahead_ns;
  struct timespec shown = { .tv_sec = now / 1000000000, .tv_nsec = now % 1000000000 };

  if (clock->ahead_ns != 0
      && clock_ns (CLOCK_REALTIME) < (int64_t)BERTH_HIDDEN_CLOCK_NS + HIDDEN_FOR_NS)
    clock_settime (CLOCK_REALTIME, &shown);
  clock->ahead_ns = 0;
}

/* Lets the kernel's generator give numbers at once, where a machine without a hardware source would
 * collect timings for seconds first. Not a secret is made of them: every program runs after an
 * identity has brought the host's own random bytes, see agent.c. */
void
berth_agent_identity_assume_entropy (void)
{
  int fd = open ("/dev/urandom", O_RDWR | O_CLOEXEC), bits = 256;

  if (fd < 0)
    return;
  ioctl (fd, RNDADDTOENTCNT, &bits);
  close (fd);
}

/* Whether it is no identity, but comes to one that is there and sets its clock. */
bool
berth_agent_identity_is_for_clock (const BerthIdentity *identity)
{
  return identity->hostname[0] == '\0';
}

static bool
mix_seed (const uint8_t *seed, size_t size)
{
  struct
  {
    int entropy_count, buf_size;
    uint8_t bytes[64];
  } info = { .entropy_count = (int)size * 8, .buf_size = (int)size };
  int fd = open ("/dev/urandom", O_RDWR | O_CLOEXEC);
  bool ok;

  memcpy (info.bytes, seed, size);
  ok = fd >= 0 && ioctl (fd, RNDADDENTROPY, &info) == 0 && ioctl (fd, RNDRESEEDCRNG) == 0;
  explicit_bzero (&info, sizeof info);
  if (fd >= 0)
    close (fd);
  return ok;
}

bool
berth_agent_identity_set_clock (uint64_t realtime_ns)
{
  struct timespec now = { .tv_sec = (time_t)(realtime_ns / 1000000000u),
                          .tv_nsec = (long)(realtime_ns % 1000000000u) };

  return clock_settime (CLOCK_REALTIME, &now) == 0;
}

static bool
is_hostname (const char *name, size_t size)
{
  size_t length = strnlen (name, size);

  if (length == 0 || length == size || name[0] == '-')
    return false;
  for (size_t i = 0; i < length; i++)
    if (!isalnum ((unsigned char)name[i]) && name[i] != '-')
      return false;
  return true;
}

/* A clone that has rehearsed under its own name has it already; what is for the clock has none. */
static bool
set_name (int root_fd, BerthAgentName *current, const BerthIdentity *identity)
{
  char text[2 * sizeof identity->hostname + 64], id[40];

  if (berth_agent_identity_is_for_clock (identity))
    return true;
  if (strcmp (current->hostname, identity->hostname) == 0
      && memcmp (current->machine_id, identity->machine_id, sizeof identity->machine_id) == 0)
    return true;
  if (sethostname (identity->hostname, strlen (identity->hostname)) != 0)
    return false;
  snprintf (text, sizeof text, "%s\n", identity->hostname);
  if (!berth_agent_file_rewrite (root_fd, "etc/hostname", 0644, text))
    return false;
  /* one address for localhost: of two, clients such as Node.js's fetch try the first alone, ::1 */
  snprintf (text, sizeof text,
            "127.0.0.1 localhost\n::1 ip6-localhost ip6-loopback\n127.0.1.1 %s\n",
            identity->hostname);
  if (!berth_agent_file_rewrite (root_fd, "etc/hosts", 0644, text))
    return false;
  for (int i = 0; i < 16; i++)
    snprintf (id + 2 * i, 4, "%02x\n", identity->machine_id[i]);
  if (!berth_agent_file_rewrite (root_fd, "etc/machine-id", 0444, id))
    return false;
  memcpy (current->hostname, identity->hostname, sizeof identity->hostname);
  memcpy (current->machine_id, identity->machine_id, sizeof identity->machine_id);
  return true;
}

/* Applies it (outside of a guest only the proof is made); false when something could not be set,
 * errno says why. */
bool
berth_agent_identity_set (const BerthAgentConfig *config, const BerthIdentity *identity,
                          BerthAgentName *current, BerthIdentityDone *out_done)
{
  struct timespec now;

  /* a clock that is hidden stays so until there is an identity */
  if (berth_agent_identity_is_for_clock (identity)
          ? config->identities == 0 || identity->realtime_ns == BERTH_HIDDEN_CLOCK_NS
          : !is_hostname (identity->hostname, sizeof identity->hostname))
    {
      errno = EINVAL;
      return false;
    }
  if (config->is_init
      && (!mix_seed (identity->seed, sizeof identity->seed)
          || !berth_agent_identity_set_clock (identity->realtime_ns)
          || !set_name (config->root_fd, current, identity)))
    return false;
  if (getrandom (out_done->random, sizeof out_done->random, 0) != sizeof out_done->random
      || clock_gettime (CLOCK_REALTIME, &now) != 0)
    return false;
  out_done->realtime_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  return true;
}
