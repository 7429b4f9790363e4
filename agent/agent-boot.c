/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts, modules, disks and the channel, in the order in which each needs the one before. */
#include "agent-boot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "agent-file.h"
#include "agent-filter.h"
#include "agent-identity.h"
#include "agent-language.h"
#include "agent-lockdown.h"
#include "agent-reach.h"

#define LAYERS_MAX 16u
#define WAIT_MS 10000u
#define RUNNERS "/run/berth"
#define NEW_ROOT "/new"
/* Of the space that guests write to, in percent: /tmp with /var/tmp, and /dev/shm. The rest is the
 * home's. */
#define SCRATCH_SHARE 25u
#define SHM_SHARE 10u

static unsigned
clamp (unsigned long value, unsigned min, unsigned max)
{
  return value < min ? min : value > max ? max : (unsigned)value;
}

/* UID:GID. Root is nobody's to be, and what is no number is none. */
static void
read_user (BerthAgentBootOptions *self, const char *value)
{
  unsigned uid, gid;

  if (sscanf (value, "%u:%u", &uid, &gid) != 2 || uid == 0 || uid > INT_MAX || gid > INT_MAX)
    return;
  self->uid = uid;
  self->gid = gid;
}

/* Reads berth.* of the kernel's command line; what is missing keeps its default. */
void
berth_agent_boot_options_parse (BerthAgentBootOptions *self, const char *cmdline)
{
  char word[256];
  int used;

  *self = (BerthAgentBootOptions){
    .layers = 1, .space_percent = 50, .uid = BERTH_AGENT_UID, .gid = BERTH_AGENT_UID
  };
  while (sscanf (cmdline, " %255s%n", word, &used) == 1)
    {
      char *value = strchr (word, '=');

      cmdline += used;
      if (value == NULL)
        continue;
      *value++ = '\0';
      if (strcmp (word, "berth.layers") == 0)
        self->layers = clamp (strtoul (value, NULL, 10), 1, LAYERS_MAX);
      else if (strcmp (word, "berth.language") == 0)
        self->language = berth_agent_language_parse (value);
      else if (strcmp (word, "berth.builder") == 0)
        self->is_builder = strcmp (value, "1") == 0;
      else if (strcmp (word, "berth.net") == 0)
        self->has_net = strcmp (value, "1") == 0;
      else if (strcmp (word, "berth.user") == 0)
        read_user (self, value);
      else if (strcmp (word, "berth.reserve-mb") == 0)
        self->reserve_mb = clamp (strtoul (value, NULL, 10), 1, 4096);
      else if (strcmp (word, "berth.space-percent") == 0)
        self->space_percent = clamp (strtoul (value, NULL, 10), 5, 90);
    }
}

void
berth_agent_power_off (void)
{
  sync ();
  reboot (RB_POWER_OFF);
  /* a machine without power control; the domain ends by this as well */
  reboot (RB_AUTOBOOT);
  for (;;)
    pause ();
}

/* Says why on the console, in one line, and ends the machine. */
void
berth_agent_boot_fail (const char *format, ...)
{
  char text[512];
  int saved_errno = errno, length;
  va_list args;

  va_start (args, format);
  length = vsnprintf (text, sizeof text - 96, format, args);
  va_end (args);
  if (length > (int)sizeof text - 96)
    length = (int)sizeof text - 96;
  dprintf (STDERR_FILENO, "berth-agent: the guest can't start: %.*s%s%s\n", length, text,
           saved_errno != 0 ? ": " : "", saved_errno != 0 ? strerror (saved_errno) : "");
  berth_agent_power_off ();
}

static void
boot_mount (const char *source, const char *target, const char *type, unsigned long flags,
            const char *options)
{
  mkdir (target, 0755);
  if (mount (source, target, type, flags, options) != 0)
    berth_agent_boot_fail ("%s can't be mounted on %s", source, target);
}

static void
open_console (void)
{
  int fd = open ("/dev/console", O_RDWR | O_NOCTTY);

  for (int i = 0; fd >= 0 && i < 3; i++)
    dup2 (fd, i);
  if (fd > 2)
    close (fd);
}

static void
load_module (const char *name)
{
  char path[300];
  int fd;

  snprintf (path, sizeof path, "/lib/modules/%s", name);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || (syscall (SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST))
    berth_agent_boot_fail ("module %s can't be loaded", name);
  close (fd);
  /* the initramfs is memory */
  unlink (path);
}

static void
load_modules (const char *list)
{
  char order[4096], *rest = order, *name;

  if (berth_agent_file_read (AT_FDCWD, list, order, sizeof order) < 0)
    berth_agent_boot_fail ("%s can't be read", list);
  while ((name = strsep (&rest, "\n")) != NULL)
    if (name[0] != '\0')
      load_module (name);
}

static void
sleep_ms (unsigned ms)
{
  struct timespec time = { .tv_nsec = (long)ms * 1000000 };

  nanosleep (&time, NULL);
}

static void
wait_for_disk (unsigned index)
{
  char path[32];

  snprintf (path, sizeof path, "/dev/vd%c", (char)('a' + index));
  for (unsigned waited = 0; access (path, F_OK) != 0; waited += 2)
    {
      if (waited >= WAIT_MS)
        {
          errno = 0;
          berth_agent_boot_fail ("disk %s, layer %u, did not appear in %u s", path, index + 1,
                                 WAIT_MS / 1000);
        }
      sleep_ms (2);
    }
}

/* Opens the port that has our name; -1 while there is none. */
static int
find_port (void)
{
  DIR *ports = opendir ("/sys/class/virtio-ports");
  struct dirent *entry;
  int fd = -1;

  while (ports != NULL && fd < 0 && (entry = readdir (ports)) != NULL)
    {
      char path[300], name[64];
      ssize_t length;

      snprintf (path, sizeof path, "%s/name", entry->d_name);
      length = berth_agent_file_read (dirfd (ports), path, name, sizeof name);
      if (length <= 0)
        continue;
      name[strcspn (name, "\n")] = '\0';
      snprintf (path, sizeof path, "/dev/%s", entry->d_name);
      if (strcmp (name, BERTH_PROTOCOL_PORT) == 0)
        fd = open (path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    }
  if (ports != NULL)
    closedir (ports);
  return fd;
}

static int
wait_for_port (void)
{
  int fd;

  for (unsigned waited = 0; (fd = find_port ()) < 0; waited += 2)
    {
      if (waited >= WAIT_MS)
        {
          errno = 0;
          berth_agent_boot_fail ("no virtio port named " BERTH_PROTOCOL_PORT " appeared in %u s",
                                 WAIT_MS / 1000);
        }
      sleep_ms (2);
    }
  return fd;
}

/* A tmpfs of so many percent of the memory, and of a file for each of its pages. */
static void
mount_space (const char *target, unsigned long flags, unsigned mode, unsigned percent)
{
  struct sysinfo memory = { .mem_unit = 1 };
  unsigned long long bytes;
  char text[96];

  sysinfo (&memory);
  bytes = (unsigned long long)memory.totalram * memory.mem_unit / 100 * percent;
  snprintf (text, sizeof text, "mode=%o,size=%llu,nr_inodes=%llu", mode, bytes, bytes / 4096);
  boot_mount ("space", target, "tmpfs", flags, text);
  /* large pages for what is known to be large, as a file that is put: a third of the time for its
   * writing. A kernel without them refuses, and misses nothing else. */
  mount (NULL, target, NULL, MS_REMOUNT | flags, "huge=within_size");
}

/* All that is ever written in this guest goes to one of these. None takes another's room, and all
 * together are bounded: were they full, the next interpreter must still find memory to start in. */
static void
mount_spaces (const BerthAgentBootOptions *options)
{
  const unsigned percent = options->space_percent;
  const unsigned scratch = percent * SCRATCH_SHARE / 100, shm = percent * SHM_SHARE / 100;

  mount_space ("/space", 0, 0755, percent - scratch - shm);
  mount_space ("/scratch", 0, 0755, scratch);
  mount_space ("/shm", MS_NOSUID | MS_NODEV, 01777, shm);
  mkdir ("/space/upper", 0755);
  mkdir ("/space/work", 0755);
  mkdir ("/space/home", 0755);
  mkdir ("/scratch/tmp", 0755);
  mkdir ("/scratch/var-tmp", 0755);
  if (chown ("/space/home", options->uid, options->gid) != 0 || chmod ("/scratch/tmp", 01777) != 0
      || chmod ("/scratch/var-tmp", 01777) != 0)
    berth_agent_boot_fail ("the home can't be made");
}

/* Stacks the layers under what the agent writes into the system. */
static void
mount_root (const BerthAgentBootOptions *options)
{
  char lower[64 * LAYERS_MAX] = "", text[sizeof lower + 128];

  for (unsigned i = 0; i < options->layers; i++)
    {
      char device[32], target[32], joined[sizeof lower];

      wait_for_disk (i);
      snprintf (device, sizeof device, "/dev/vd%c", (char)('a' + i));
      snprintf (target, sizeof target, "/layer%u", i);
      boot_mount (device, target, "erofs", MS_RDONLY | MS_NOSUID | MS_NODEV, NULL);
      /* overlayfs wants the uppermost first */
      snprintf (joined, sizeof joined, "%s%s%.900s", target, i > 0 ? ":" : "", lower);
      strcpy (lower, joined);
    }
  mount_spaces (options);
  snprintf (text, sizeof text, "lowerdir=%s,upperdir=/space/upper,workdir=/space/work", lower);
  boot_mount ("root", NEW_ROOT, "overlay", MS_NOSUID | MS_NODEV, text);
}

static void
bind_space (const char *source, const char *target)
{
  boot_mount (source, target, NULL, MS_BIND, NULL);
  if (mount (NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV, NULL) != 0)
    berth_agent_boot_fail ("%s can't be restricted", target);
}

static void
copy_file (const char *source, const char *target)
{
  char text[64 * 1024];
  ssize_t size = berth_agent_file_read (AT_FDCWD, source, text, sizeof text);

  if (size < 0 || !berth_agent_file_create (AT_FDCWD, target, 0644, text, (size_t)size))
    berth_agent_boot_fail ("%s can't be copied", source);
  unlink (source);
}

static void
mount_rest (void)
{
  static const char *const runners[]
      = { "python/sitecustomize.py", "python/base.py",         "python/classes.py",
          "python/streams.py",       "python/errors.py",       "python/session.py",
          "javascript.js",           "javascript-session.js",  "javascript-import.js",
          "javascript-exec.js",      "javascript-rehearsal.js" };
  char source[64], target[64];

  boot_mount ("run", NEW_ROOT "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=2m");
  mkdir (NEW_ROOT "/run/code", 0755);
  mkdir (NEW_ROOT "/run/streams", 0711);
  mkdir (NEW_ROOT RUNNERS, 0755);
  mkdir (NEW_ROOT RUNNERS "/python", 0755);
  for (size_t i = 0; i < sizeof runners / sizeof runners[0]; i++)
    {
      snprintf (source, sizeof source, "/runners/%s", runners[i]);
      snprintf (target, sizeof target, NEW_ROOT RUNNERS "/%s", runners[i]);
      copy_file (source, target);
    }
  mkdir (NEW_ROOT "/home", 0755);
  bind_space ("/space/home", NEW_ROOT BERTH_AGENT_HOME);
  bind_space ("/scratch/tmp", NEW_ROOT "/tmp");
  bind_space ("/scratch/var-tmp", NEW_ROOT "/var/tmp");
  mkdir (NEW_ROOT "/dev", 0755);
  if (!berth_agent_lockdown_devices (NEW_ROOT "/dev"))
    berth_agent_boot_fail ("/dev can't be made");
  boot_mount ("devpts", NEW_ROOT "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
              "newinstance,ptmxmode=0666,mode=0620,gid=5");
  bind_space ("/shm", NEW_ROOT "/dev/shm");
  /* of the group that sees all, which is else root's, an image's user may be a member */
  boot_mount ("proc", NEW_ROOT "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "hidepid=2,gid=4294967294");
  boot_mount ("sys", NEW_ROOT "/sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static void
switch_root (void)
{
  unlink ("/init");
  umount2 ("/dev", MNT_DETACH);
  umount2 ("/sys", MNT_DETACH);
  umount2 ("/proc", MNT_DETACH);
  if (chdir (NEW_ROOT) != 0 || mount (".", "/", NULL, MS_MOVE, NULL) != 0 || chroot (".") != 0
      || chdir ("/") != 0)
    berth_agent_boot_fail ("the root can't be switched");
}

/* Makes the guest; the channel's descriptor. Does not return if it can't. */
int
berth_agent_boot (BerthAgentBootOptions *out_options)
{
  char cmdline[4096];
  int port;

  mkdir ("/dev", 0755);
  mount ("dev", "/dev", "devtmpfs", MS_NOSUID, NULL); /* the kernel may have done it */
  open_console ();
  umask (0);
  boot_mount ("proc", "/proc", "proc", 0, NULL);
  boot_mount ("sys", "/sys", "sysfs", 0, NULL);
  if (berth_agent_file_read (AT_FDCWD, "/proc/cmdline", cmdline, sizeof cmdline) < 0)
    berth_agent_boot_fail ("/proc/cmdline can't be read");
  berth_agent_boot_options_parse (out_options, cmdline);
  load_modules ("/lib/modules/order");
  if (out_options->has_net)
    load_modules ("/lib/modules/order.net");
  mount_root (out_options);
  port = wait_for_port ();
  mount_rest ();
  switch_root ();
  umask (022);
  berth_agent_identity_hide_clock ();
  berth_agent_identity_assume_entropy ();
  if (!berth_agent_lockdown_groups (out_options->reserve_mb))
    berth_agent_boot_fail ("the cgroup of programs can't be made");
  if (!berth_agent_lockdown_user (out_options->uid, out_options->gid))
    berth_agent_boot_fail ("the programs' user can't be made");
  berth_agent_lockdown_loopback ();
  out_options->sockets = out_options->has_net ? (BerthAgentReachSockets)BERTH_AGENT_REACH_NO_SOCKETS
                                              : berth_agent_reach_prepare ();
  berth_agent_lockdown_kernel ();
  out_options->root_fd = berth_agent_lockdown_files ();
  if (out_options->root_fd < 0)
    berth_agent_boot_fail ("the system can't be made read-only");
  if (!out_options->is_builder && !berth_agent_filter_install ())
    berth_agent_boot_fail ("the programs' calls can't be filtered");
  return port;
}
