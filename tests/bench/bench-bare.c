/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The yardstick: what bare libvirt takes for the steps that berth takes, done by a program that
 * does nothing else. It clones the snapshot that berthd has made, with berth's own domain XML, and
 * talks to the agent in the fewest frames there are.
 *
 * Usage: bench-bare IMAGES SNAPSHOT CLONES BOOTS. Prints a number a line: NAME MILLISECONDS.
 *        bench-bare --serve DOMAIN: runs print(1) in a domain that a script has started.
 * BERTH_BENCH_NAME: another name for its domain. */
#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/berth-protocol.h"
#include "berth-capabilities.h"
#include "berth-domain.h"
#include "berth-images.h"
#include "berth-mark.h"
#include "berth-qmp.h"
#include "berth-template.h"
#include "plugin/manager/berth-config.h"

#define NAME "berthbare"

typedef struct
{
  virConnectPtr connection;
  BerthTemplate *template;
  BerthImages *images;
  const char *snapshot; /* its folder */
  const char *name;     /* of its domain */
} Bench;

static double
now_ms (void)
{
  return (double)g_get_monotonic_time () / 1000;
}

static void
check (gboolean ok, const char *what)
{
  if (ok)
    return;
  g_printerr ("bench-bare: %s: %s\n", what, virGetLastErrorMessage ());
  exit (1);
}

static char *
make_xml (Bench *bench, gboolean is_clone)
{
  BerthMark mark = { .instance = "bench",
                     .id = "0",
                     .template_name = "python",
                     .state = BERTH_MARK_STATE_RUN,
                     .uid = 0 };
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) layers = berth_images_dup_layers (
      bench->images, berth_template_get_layers (bench->template), &error);
  g_autofree char *ram = g_build_filename (bench->snapshot, "ram", NULL);
  g_autofree char *capabilities = virConnectGetCapabilities (bench->connection);
  const char *type = berth_domain_best_type (bench->connection);
  g_autofree char *label = berth_capabilities_dup_dac_label (capabilities, type);
  g_autofree char *uuid = g_uuid_string_random ();
  unsigned long version = 0;
  BerthDomainParams params = {
    .mark = &mark,
    .name = bench->name,
    .uuid = uuid,
    .domain_type = type,
    .memory_mb = berth_template_get_memory_mb (bench->template),
    .vcpus = berth_template_get_vcpus (bench->template),
    .kernel = berth_images_get_kernel (bench->images),
    .initramfs = berth_images_get_initramfs (bench->images),
    .layers = (const char *const *)layers,
    .dac_label = label,
    .ram_file = is_clone ? ram : NULL,
    .ram_private = is_clone,
    .incoming = is_clone,
  };
  char *xml;

  virConnectGetLibVersion (bench->connection, &version);
  params.skip_cpu_probe = berth_template_wants_skip_cpu_probe (version);
  xml = berth_template_instantiate (bench->template, &params, &error);
  check (xml != NULL, "the XML");
  return xml;
}

static int
connect_agent (virDomainPtr domain)
{
  g_autofree char *xml = virDomainGetXMLDesc (domain, 0);
  g_autofree char *path = berth_domain_dup_channel_path (xml, BERTH_PROTOCOL_PORT);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  check (connect (fd, (struct sockaddr *)&address, sizeof address) == 0, "the agent's socket");
  return fd;
}

static void
send_frame (int fd, guint32 type, guint32 request, gconstpointer payload, guint32 size)
{
  guint8 frame[BERTH_FRAME_HEAD_SIZE + 512];

  g_assert (size <= 512);
  berth_frame_head_write (frame, type, request, size);
  memcpy (frame + BERTH_FRAME_HEAD_SIZE, payload, size);
  check (write (fd, frame, BERTH_FRAME_HEAD_SIZE + size) == (gssize)(BERTH_FRAME_HEAD_SIZE + size),
         "writing to the agent");
}

static void
read_all (int fd, guint8 *bytes, gsize size)
{
  while (size > 0)
    {
      gssize got = read (fd, bytes, size);

      check (got > 0, "reading from the agent");
      bytes += got;
      size -= (gsize)got;
    }
}

/* Reads frames until one of @type. */
static void
await_frame (int fd, guint32 type)
{
  guint8 head[BERTH_FRAME_HEAD_SIZE];
  guint8 payload[BERTH_FRAME_MAX_PAYLOAD];
  BerthFrameHead parsed = { 0 };

  do
    {
      read_all (fd, head, sizeof head);
      check (berth_frame_head_read (head, &parsed), "a frame");
      read_all (fd, payload, parsed.length);
    }
  while (parsed.type != type);
}

static void
hello (int fd)
{
  BerthHello message
      = { .version_min = BERTH_PROTOCOL_VERSION, .version_max = BERTH_PROTOCOL_VERSION };

  memcpy (message.magic, BERTH_PROTOCOL_MAGIC, sizeof message.magic);
  check (getrandom (message.nonce, sizeof message.nonce, 0) == sizeof message.nonce, "getrandom");
  send_frame (fd, BERTH_FRAME_HELLO, 1, &message, sizeof message);
  await_frame (fd, BERTH_FRAME_HELLO_REPLY);
}

static void
ping (int fd)
{
  guint8 cookie[8] = { 0 };

  send_frame (fd, BERTH_FRAME_PING, 2, cookie, sizeof cookie);
  await_frame (fd, BERTH_FRAME_PONG);
}

static void
run (int fd, guint32 request)
{
  static const char code[] = "print(1)";
  guint8 data[4 + sizeof code];
  BerthExecHead head = { .language = BERTH_LANGUAGE_PYTHON,
                         .flags = BERTH_EXEC_SESSION,
                         .timeout_ms = 30000,
                         .code_size = sizeof code - 1,
                         .stdout_credit = 65536,
                         .stderr_credit = 65536 };

  berth_le32_write (data, BERTH_STREAM_CODE);
  memcpy (data + 4, code, sizeof code);
  send_frame (fd, BERTH_FRAME_EXEC, request, &head, sizeof head);
  send_frame (fd, BERTH_FRAME_DATA, request, data, 4 + sizeof code - 1);
  await_frame (fd, BERTH_FRAME_EXIT);
}

static virDomainPtr
clone_start (Bench *bench, virDomainPtr domain)
{
  g_autofree char *state = g_build_filename (bench->snapshot, "state", NULL);
  g_autoptr (GError) error = NULL;
  int fd = open (state, O_RDONLY | O_CLOEXEC);

  check (fd >= 0, state);
  check (virDomainCreateWithFlags (domain, VIR_DOMAIN_START_PAUSED) == 0, "the start");
  check (berth_qmp_load_state (domain, fd, &error), "the state");
  close (fd);
  return domain;
}

static void
end (virDomainPtr domain)
{
  check (virDomainDestroyFlags (domain, VIR_DOMAIN_DESTROY_REMOVE_LOGS) == 0, "the destroy");
}

/* clone: from the start to a guest that has answered. claim: resume and one round trip, of a clone
 * that has run once. exec: one more in the same. */
static void
bench_clone (Bench *bench)
{
  g_autofree char *xml = make_xml (bench, TRUE);
  virDomainPtr domain = virDomainDefineXMLFlags (bench->connection, xml, 0);
  double begin = now_ms ();
  double cloned;
  int fd;

  check (domain != NULL, "the definition");
  clone_start (bench, domain);
  check (virDomainResume (domain) == 0, "the resume");
  fd = connect_agent (domain);
  hello (fd);
  cloned = now_ms ();
  printf ("clone %.3f\n", cloned - begin);
  run (fd, 3);
  printf ("first-exec %.3f\n", now_ms () - cloned);
  begin = now_ms ();
  run (fd, 4);
  printf ("exec %.3f\n", now_ms () - begin);
  begin = now_ms ();
  ping (fd);
  printf ("ping %.3f\n", now_ms () - begin);
  check (virDomainSuspend (domain) == 0, "the suspend");
  begin = now_ms ();
  check (virDomainResume (domain) == 0, "the resume");
  ping (fd);
  printf ("claim %.3f\n", now_ms () - begin);
  begin = now_ms ();
  end (domain);
  printf ("destroy %.3f\n", now_ms () - begin);
  close (fd);
  virDomainUndefine (domain);
  virDomainFree (domain);
}

static void
bench_boot (Bench *bench)
{
  g_autofree char *xml = make_xml (bench, FALSE);
  double begin = now_ms ();
  virDomainPtr domain = virDomainDefineXMLFlags (bench->connection, xml, 0);
  int fd;

  check (domain != NULL && virDomainCreate (domain) == 0, "the boot");
  fd = connect_agent (domain);
  hello (fd);
  run (fd, 3);
  printf ("boot %.3f\n", now_ms () - begin);
  end (domain);
  close (fd);
  virDomainUndefine (domain);
  virDomainFree (domain);
}

static int
serve (const char *uri, const char *name)
{
  virConnectPtr connection = virConnectOpen (uri);
  virDomainPtr domain = connection != NULL ? virDomainLookupByName (connection, name) : NULL;
  int fd;

  check (domain != NULL, name);
  fd = connect_agent (domain);
  hello (fd);
  run (fd, 3);
  close (fd);
  virDomainFree (domain);
  virConnectClose (connection);
  return 0;
}

int
main (int argc, char **argv)
{
  const char *uri = geteuid () == 0 ? "qemu:///system" : "qemu:///session";
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autoptr (GPtrArray) errors = NULL;
  g_autoptr (GHashTable) templates = berth_template_load_all (
      (const char *const *)config->template_dirs, config->schema, &errors);
  g_autoptr (GError) error = NULL;
  Bench bench = { 0 };

  if (argc == 3)
    return serve (uri, argv[2]);
  if (argc != 5)
    return 2;
  setvbuf (stdout, NULL, _IOLBF, 0);
  bench.template = g_hash_table_lookup (templates, "python");
  bench.images = berth_images_load (argv[1], &error);
  bench.snapshot = argv[2];
  bench.name = g_getenv ("BERTH_BENCH_NAME") != NULL ? g_getenv ("BERTH_BENCH_NAME") : NAME;
  bench.connection = virConnectOpen (uri);
  check (bench.template != NULL && bench.images != NULL && bench.connection != NULL, "the set-up");
  for (int i = atoi (argv[3]); i > 0; i--)
    bench_clone (&bench);
  for (int i = atoi (argv[4]); i > 0; i--)
    bench_boot (&bench);
  virConnectClose (bench.connection);
  return 0;
}
