/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The yardstick: what bare libvirt takes for the steps that berth takes, done by a program that
 * does nothing else. It clones the snapshot that berthd has made, with berth's own domain XML, and
 * talks to the agent in the fewest frames there are.
 *
 * Usage: bench-bare IMAGES SNAPSHOT CLONES BOOTS STREAMS [CYCLES]. Prints a number a line: NAME
 * MILLISECONDS; of streams: NAME MIB_PER_SECOND; of cycles (a clone, one run, its end) nothing.
 * bench-bare --serve DOMAIN: runs print(1) in a domain that a script has started. BERTH_BENCH_NAME:
 * another name for its domain. */
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
#include "berth-libvirt-error.h"
#include "berth-mark.h"
#include "berth-qmp.h"
#include "berth-template.h"
#include "berth-virt-type.h"
#include "plugin/config/berth-config.h"

#define NAME "berthbare"
/* In a session that has run a few times, as berth's is */
#define LIVE_EXECS 10
#define LIVE_PINGS 20
#define LIVE_WAKES 6u
/* Before it is paused: as often as berth's own warm VMs */
#define REHEARSALS 3u
/* What a stream moves each way, in frames as large as there are */
#define STREAM_MIB 32
#define STREAM_TIMES 3
#define STREAM_BYTES (STREAM_MIB * 1024 * 1024)

typedef struct
{
  virConnectPtr connection;
  BerthTemplate *template;
  BerthImages *images;
  const char *snapshot; /* its folder */
  const char *name;     /* of its domain */
  const char *virt_type;
} Bench;

/* The agent's channel: its socket, or a virStream. */
typedef struct
{
  int fd;
  virStreamPtr stream; /* nullable */
  guint8 buffer[256 * 1024];
  gsize begin, end; /* what is in it and not read yet */
} Channel;

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
  const char *type = bench->virt_type;
  g_autofree char *label = berth_capabilities_dup_dac_label (capabilities, type);
  g_autofree char *uuid = g_uuid_string_random ();
  unsigned long version = 0;
  g_auto (GStrv) unwanted = berth_virt_type_dup_unwanted (bench->connection, type);
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
    .unwanted_features = (const char *const *)unwanted,
    .incoming = is_clone,
  };
  char *xml;

  virConnectGetLibVersion (bench->connection, &version);
  params.skip_cpu_probe = berth_template_wants_skip_cpu_probe (version);
  xml = berth_template_instantiate (bench->template, &params, &error);
  check (xml != NULL, "the XML");
  return xml;
}

static Channel *
connect_agent (virDomainPtr domain)
{
  Channel *channel = g_new0 (Channel, 1);
  g_autofree char *xml = virDomainGetXMLDesc (domain, 0);
  g_autofree char *path = berth_domain_dup_channel_path (xml, BERTH_PROTOCOL_PORT);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  check (path != NULL, "the domain's channel");
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  check (connect (fd, (struct sockaddr *)&address, sizeof address) == 0, "the agent's socket");
  channel->fd = fd;
  return channel;
}

static Channel *
open_stream (virConnectPtr connection, virDomainPtr domain)
{
  Channel *channel = g_new0 (Channel, 1);

  channel->stream = virStreamNew (connection, 0);
  check (virDomainOpenChannel (domain, BERTH_PROTOCOL_PORT, channel->stream, 0) == 0,
         "the agent's stream");
  return channel;
}

static void
channel_close (Channel *channel)
{
  if (channel->stream != NULL)
    {
      virStreamAbort (channel->stream);
      virStreamFree (channel->stream);
    }
  else
    close (channel->fd);
  g_free (channel);
}

static void
send_all (Channel *channel, const guint8 *bytes, gsize size)
{
  while (size > 0)
    {
      gssize sent = channel->stream != NULL
                        ? virStreamSend (channel->stream, (const char *)bytes, size)
                        : write (channel->fd, bytes, size);

      check (sent > 0, "writing to the agent");
      bytes += sent;
      size -= (gsize)sent;
    }
}

static void
send_frame (Channel *channel, guint32 type, guint32 request, gconstpointer payload, guint32 size)
{
  guint8 frame[BERTH_FRAME_HEAD_SIZE + 512];

  g_assert (size <= 512);
  berth_frame_head_write (frame, type, request, size);
  memcpy (frame + BERTH_FRAME_HEAD_SIZE, payload, size);
  send_all (channel, frame, BERTH_FRAME_HEAD_SIZE + size);
}

static void
read_all (Channel *channel, guint8 *bytes, gsize size)
{
  while (size > 0)
    {
      gsize piece = MIN (size, channel->end - channel->begin);
      gssize got;

      memcpy (bytes, channel->buffer + channel->begin, piece);
      channel->begin += piece;
      bytes += piece;
      size -= piece;
      if (size == 0)
        break;
      got = channel->stream != NULL
                ? virStreamRecv (channel->stream, (char *)channel->buffer, sizeof channel->buffer)
                : read (channel->fd, channel->buffer, sizeof channel->buffer);
      check (got > 0, "reading from the agent");
      channel->begin = 0;
      channel->end = (gsize)got;
    }
}

static BerthFrameHead
read_frame (Channel *channel)
{
  guint8 head[BERTH_FRAME_HEAD_SIZE];
  guint8 payload[BERTH_FRAME_MAX_PAYLOAD];
  BerthFrameHead parsed = { 0 };

  read_all (channel, head, sizeof head);
  check (berth_frame_head_read (head, &parsed), "a frame");
  read_all (channel, payload, parsed.length);
  return parsed;
}

/* Reads frames until one of @type. */
static void
await_frame (Channel *channel, guint32 type)
{
  while (read_frame (channel).type != type)
    ;
}

static void
hello (Channel *channel)
{
  BerthHello message
      = { .version_min = BERTH_PROTOCOL_OLDEST, .version_max = BERTH_PROTOCOL_VERSION };

  memcpy (message.magic, BERTH_PROTOCOL_MAGIC, sizeof message.magic);
  check (getrandom (message.nonce, sizeof message.nonce, 0) == sizeof message.nonce, "getrandom");
  send_frame (channel, BERTH_FRAME_HELLO, 1, &message, sizeof message);
  await_frame (channel, BERTH_FRAME_HELLO_REPLY);
}

static void
ping (Channel *channel)
{
  guint8 cookie[8] = { 0 };

  send_frame (channel, BERTH_FRAME_PING, 2, cookie, sizeof cookie);
  await_frame (channel, BERTH_FRAME_PONG);
}

static void
send_exec (Channel *channel, guint32 request, const BerthExecHead *head, const char *code)
{
  g_autofree guint8 *data = g_malloc (4 + head->code_size);

  berth_le32_write (data, BERTH_STREAM_CODE);
  memcpy (data + 4, code, head->code_size);
  send_frame (channel, BERTH_FRAME_EXEC, request, head, sizeof *head);
  send_frame (channel, BERTH_FRAME_DATA, request, data, 4 + head->code_size);
}

static void
exec_begin (Channel *channel, guint32 request, const char *code, guint32 credit)
{
  BerthExecHead head = { .language = BERTH_LANGUAGE_PYTHON,
                         .flags = BERTH_EXEC_SESSION,
                         .timeout_ms = 60000,
                         .code_size = (guint32)strlen (code),
                         .stdout_credit = credit,
                         .stderr_credit = 65536 };

  send_exec (channel, request, &head, code);
}

static void
run_command (Channel *channel, guint32 request)
{
  static const char command[] = "echo\0001";
  BerthExecHead head = { .flags = BERTH_EXEC_COMMAND,
                         .timeout_ms = 60000,
                         .code_size = sizeof command,
                         .stdout_credit = 65536,
                         .stderr_credit = 65536 };

  send_exec (channel, request, &head, command);
  await_frame (channel, BERTH_FRAME_EXIT);
}

static void
run (Channel *channel, guint32 request)
{
  exec_begin (channel, request, "print(1)", 65536);
  await_frame (channel, BERTH_FRAME_EXIT);
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

/* The same, in milliseconds since @begin: until the first byte of its output was here */
static double
run_to_byte (Channel *channel, guint32 request, double begin)
{
  double taken;

  exec_begin (channel, request, "print(1)", 65536);
  await_frame (channel, BERTH_FRAME_DATA);
  taken = now_ms () - begin;
  await_frame (channel, BERTH_FRAME_EXIT);
  return taken;
}

/* Of a domain that has begun and ended */
static void
forget (virDomainPtr domain)
{
  virDomainUndefine (domain);
  virDomainFree (domain);
}

/* One that has been resumed; what it greets is the caller's */
static virDomainPtr
clone_new (Bench *bench)
{
  g_autofree char *xml = make_xml (bench, TRUE);
  virDomainPtr domain = virDomainDefineXMLFlags (bench->connection, xml, 0);

  check (domain != NULL, "the definition");
  clone_start (bench, domain);
  check (virDomainResume (domain) == 0, "the resume");
  return domain;
}

/* clone: from the start to a guest that has answered; clone-byte: and has printed. claim-byte: from
 * resume to the first byte, of a clone that has run as often as berth's warm ones. claim: resume
 * and one round trip. wake: the same again. ping: a round trip of a guest that did something else
 * before, ping-again: that follows another. exec: one more in the same. */
static void
bench_clone (Bench *bench)
{
  g_autofree char *xml = make_xml (bench, TRUE);
  virDomainPtr domain = virDomainDefineXMLFlags (bench->connection, xml, 0);
  double begin = now_ms ();
  double cloned;
  Channel *channel;

  check (domain != NULL, "the definition");
  clone_start (bench, domain);
  check (virDomainResume (domain) == 0, "the resume");
  channel = connect_agent (domain);
  hello (channel);
  cloned = now_ms ();
  printf ("clone %.3f\n", cloned - begin);
  printf ("clone-byte %.3f\n", run_to_byte (channel, 3, begin));
  printf ("first-exec %.3f\n", now_ms () - cloned);
  for (guint32 i = 1; i < REHEARSALS; i++)
    run (channel, 200 + i);
  check (virDomainSuspend (domain) == 0, "the suspend");
  begin = now_ms ();
  check (virDomainResume (domain) == 0, "the resume");
  printf ("claim-byte %.3f\n", run_to_byte (channel, 300, begin));
  begin = now_ms ();
  run (channel, 4);
  printf ("exec %.3f\n", now_ms () - begin);
  for (guint32 i = 0; i < LIVE_EXECS; i++)
    {
      begin = now_ms ();
      run (channel, 5 + i);
      printf ("live-exec %.3f\n", now_ms () - begin);
    }
  run_command (channel, 100);
  for (guint32 i = 0; i < LIVE_EXECS; i++)
    {
      begin = now_ms ();
      run_command (channel, 101 + i);
      printf ("live-command %.3f\n", now_ms () - begin);
    }
  for (guint32 i = 0; i < LIVE_PINGS; i++)
    {
      begin = now_ms ();
      ping (channel);
      printf ("%s %.3f\n", i == 0 ? "ping" : "ping-again", now_ms () - begin);
    }
  for (guint32 i = 0; i < LIVE_WAKES; i++)
    {
      check (virDomainSuspend (domain) == 0, "the suspend");
      begin = now_ms ();
      check (virDomainResume (domain) == 0, "the resume");
      ping (channel);
      printf ("%s %.3f\n", i == 0 ? "claim" : "wake", now_ms () - begin);
    }
  begin = now_ms ();
  end (domain);
  printf ("destroy %.3f\n", now_ms () - begin);
  channel_close (channel);
  forget (domain);
}

/* What a run is made of, and nothing else */
static void
bench_cycle (Bench *bench)
{
  virDomainPtr domain = clone_new (bench);
  Channel *channel;

  channel = connect_agent (domain);
  hello (channel);
  run (channel, 3);
  end (domain);
  channel_close (channel);
  forget (domain);
}

/* To a request that is not alive: the agent reads it all and does nothing with it. */
static void
stream_in (Channel *channel)
{
  g_autofree guint8 *frame = g_malloc0 (BERTH_FRAME_HEAD_SIZE + BERTH_FRAME_MAX_PAYLOAD);
  gsize left = STREAM_BYTES;
  double begin = now_ms ();

  while (left > 0)
    {
      guint32 size = (guint32)MIN (left, BERTH_DATA_MAX);

      berth_frame_head_write (frame, BERTH_FRAME_DATA, 99, 4 + size);
      berth_le32_write (frame + BERTH_FRAME_HEAD_SIZE, BERTH_STREAM_FILE);
      send_all (channel, frame, BERTH_FRAME_HEAD_SIZE + 4 + size);
      left -= size;
    }
  ping (channel);
  printf ("stream-in %.3f\n", STREAM_MIB / (now_ms () - begin) * 1000);
}

/* From a program that does nothing but write: the agent reads no file, and makes no checksum. */
static void
stream_out (Channel *channel, guint32 request)
{
  guint8 credit[8];
  gsize left = STREAM_BYTES;
  double begin = now_ms ();
  BerthFrameHead head;

  berth_le32_write (credit, BERTH_STREAM_STDOUT);
  exec_begin (channel, request,
              "import os\nz = bytes(65536)\nfor _ in range(" G_STRINGIFY (
                  STREAM_MIB) " * 16):\n"
                              "  n = 0\n  while n < len(z): n += os.write(1, z[n:])\n",
              BERTH_CREDIT_MAX);
  while (left > 0)
    {
      head = read_frame (channel);
      check (head.type != BERTH_FRAME_EXIT && head.type != BERTH_FRAME_ERROR, "the program");
      if (head.type != BERTH_FRAME_DATA)
        continue;
      left -= MIN (left, head.length - 4);
      berth_le32_write (credit + 4, head.length - 4);
      send_frame (channel, BERTH_FRAME_CREDIT, request, credit, sizeof credit);
    }
  printf ("stream-out %.3f\n", STREAM_MIB / (now_ms () - begin) * 1000);
  await_frame (channel, BERTH_FRAME_EXIT);
}

static void
bench_stream (Bench *bench)
{
  virDomainPtr domain = clone_new (bench);
  Channel *channel;

  channel = open_stream (bench->connection, domain);
  hello (channel);
  run (channel, 3);
  for (guint32 i = 0; i < STREAM_TIMES; i++)
    {
      stream_in (channel);
      stream_out (channel, 4 + i);
    }
  channel_close (channel);
  end (domain);
  forget (domain);
}

static void
bench_boot (Bench *bench)
{
  g_autofree char *xml = make_xml (bench, FALSE);
  double begin = now_ms ();
  virDomainPtr domain = virDomainDefineXMLFlags (bench->connection, xml, 0);
  Channel *channel;

  check (domain != NULL && virDomainCreate (domain) == 0, "the boot");
  channel = connect_agent (domain);
  hello (channel);
  run (channel, 3);
  printf ("boot %.3f\n", now_ms () - begin);
  end (domain);
  channel_close (channel);
  forget (domain);
}

static int
serve (const char *uri, const char *name)
{
  virConnectPtr connection = virConnectOpen (uri);
  virDomainPtr domain = connection != NULL ? virDomainLookupByName (connection, name) : NULL;
  Channel *channel;

  check (domain != NULL, name);
  channel = connect_agent (domain);
  hello (channel);
  run (channel, 3);
  channel_close (channel);
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
  g_autofree char *problem = NULL;
  Bench bench = { 0 };

  if (argc == 3)
    return serve (uri, argv[2]);
  if (argc != 6 && argc != 7)
    return 2;
  setvbuf (stdout, NULL, _IOLBF, 0);
  bench.template = g_hash_table_lookup (templates, "python");
  bench.images = berth_images_load (argv[1], &error);
  bench.snapshot = argv[2];
  bench.name = g_getenv ("BERTH_BENCH_NAME") != NULL ? g_getenv ("BERTH_BENCH_NAME") : NAME;
  bench.connection = virConnectOpen (uri);
  check (bench.template != NULL && bench.images != NULL && bench.connection != NULL, "the set-up");
  berth_libvirt_error_silence ();
  bench.virt_type = berth_virt_type_choose (bench.connection, &problem);
  for (int i = atoi (argv[3]); i > 0; i--)
    bench_clone (&bench);
  for (int i = atoi (argv[4]); i > 0; i--)
    bench_boot (&bench);
  for (int i = atoi (argv[5]); i > 0; i--)
    bench_stream (&bench);
  for (int i = argc == 7 ? atoi (argv[6]) : 0; i > 0; i--)
    bench_cycle (&bench);
  virConnectClose (bench.connection);
  return 0;
}
