/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What kind of sandbox a program asks for, and how berthd is told. */
#include "plugin/model/berth-spec-private.h"

#include "plugin/base/berth-pipe.h"
#include "plugin/model/berth-option.h"
#include "pool/berth-error.h"
#include "pool/berth-request.h"

/* the option's name on D-Bus */
#define BOOT_LOG_KEY "boot_log"

/**
 * BerthSpec:
 *
 * What kind of sandbox is asked for: from which template, how large, for whom, and how long the
 * request waits when berth is at capacity.
 *
 * Every property has a default that works. A spec may be used for many requests, also at once, as
 * long as nobody changes it meanwhile; but a boot log is one request's, and who listens to
 * [signal@Spec::progress] hears of all of them.
 *
 * ```c
 * g_autoptr(BerthSpec) spec = berth_spec_new ("python");
 *
 * berth_spec_set_tenant (spec, "acme");
 * berth_spec_set_wait_ms (spec, 5000);
 * ```
 */
struct _BerthSpec
{
  GObject parent_instance;
  char *template_name;
  char *tenant;
  char *task;
  guint memory_mb;
  gint64 wait_ms;
  gboolean attached;
  guint idle_timeout_ms;
  guint idle_pause_ms;
  guint idle_hibernate_ms;
  char **allow;
  gboolean allow_all;
  gboolean cold;
  gboolean builder;
  gboolean wait_gone;
  int boot_log; /* the next request's, -1 for none */
};

G_DEFINE_FINAL_TYPE (BerthSpec, berth_spec, G_TYPE_OBJECT)

enum
{
  PROP_TEMPLATE = 1,
  PROP_MEMORY_MB,
  PROP_TENANT,
  PROP_TASK,
  PROP_WAIT_MS,
  PROP_ATTACHED,
  PROP_IDLE_TIMEOUT_MS,
  PROP_IDLE_PAUSE_MS,
  PROP_IDLE_HIBERNATE_MS,
  PROP_ALLOW,
  PROP_ALLOW_ALL,
  PROP_COLD,
  PROP_BUILDER,
  PROP_WAIT_GONE,
  N_PROPS,
};
static GParamSpec *properties[N_PROPS]; /* lint: file-scope: set once in class_init */

enum
{
  SIGNAL_PROGRESS,
  N_SIGNALS,
};
static guint signals[N_SIGNALS]; /* lint: file-scope: set once in class_init */

static void
berth_spec_finalize (GObject *object)
{
  BerthSpec *self = BERTH_SPEC (object);

  berth_pipe_close (&self->boot_log);
  g_free (self->template_name);
  g_free (self->tenant);
  g_free (self->task);
  g_strfreev (self->allow);
  G_OBJECT_CLASS (berth_spec_parent_class)->finalize (object);
}

static void
berth_spec_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  BerthSpec *self = BERTH_SPEC (object);

  switch (id)
    {
    case PROP_TEMPLATE:
      g_value_set_string (value, self->template_name);
      break;
    case PROP_MEMORY_MB:
      g_value_set_uint (value, self->memory_mb);
      break;
    case PROP_TENANT:
      g_value_set_string (value, self->tenant);
      break;
    case PROP_TASK:
      g_value_set_string (value, self->task);
      break;
    case PROP_WAIT_MS:
      g_value_set_int64 (value, self->wait_ms);
      break;
    case PROP_ATTACHED:
      g_value_set_boolean (value, self->attached);
      break;
    case PROP_IDLE_TIMEOUT_MS:
      g_value_set_uint (value, self->idle_timeout_ms);
      break;
    case PROP_IDLE_PAUSE_MS:
      g_value_set_uint (value, self->idle_pause_ms);
      break;
    case PROP_IDLE_HIBERNATE_MS:
      g_value_set_uint (value, self->idle_hibernate_ms);
      break;
    case PROP_ALLOW:
      g_value_set_boxed (value, self->allow);
      break;
    case PROP_ALLOW_ALL:
      g_value_set_boolean (value, self->allow_all);
      break;
    case PROP_COLD:
      g_value_set_boolean (value, self->cold);
      break;
    case PROP_BUILDER:
      g_value_set_boolean (value, self->builder);
      break;
    case PROP_WAIT_GONE:
      g_value_set_boolean (value, self->wait_gone);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
replace_string (char **field, const GValue *value)
{
  g_free (*field);
  *field = g_value_dup_string (value);
}

static void
berth_spec_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  BerthSpec *self = BERTH_SPEC (object);

  switch (id)
    {
    case PROP_TEMPLATE:
      replace_string (&self->template_name, value);
      break;
    case PROP_MEMORY_MB:
      self->memory_mb = g_value_get_uint (value);
      break;
    case PROP_TENANT:
      replace_string (&self->tenant, value);
      break;
    case PROP_TASK:
      replace_string (&self->task, value);
      break;
    case PROP_WAIT_MS:
      self->wait_ms = g_value_get_int64 (value);
      break;
    case PROP_ATTACHED:
      self->attached = g_value_get_boolean (value);
      break;
    case PROP_IDLE_TIMEOUT_MS:
      self->idle_timeout_ms = g_value_get_uint (value);
      break;
    case PROP_IDLE_PAUSE_MS:
      self->idle_pause_ms = g_value_get_uint (value);
      break;
    case PROP_IDLE_HIBERNATE_MS:
      self->idle_hibernate_ms = g_value_get_uint (value);
      break;
    case PROP_ALLOW:
      g_strfreev (self->allow);
      self->allow = g_value_dup_boxed (value);
      break;
    case PROP_ALLOW_ALL:
      self->allow_all = g_value_get_boolean (value);
      break;
    case PROP_COLD:
      self->cold = g_value_get_boolean (value);
      break;
    case PROP_BUILDER:
      self->builder = g_value_get_boolean (value);
      break;
    case PROP_WAIT_GONE:
      self->wait_gone = g_value_get_boolean (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
install_signals (BerthSpecClass *klass)
{
  /**
   * BerthSpec::progress:
   * @self: a spec
   * @state: "waiting" for a place at capacity, "starting" its VM, or "running"
   * @position: of a request that waits, its place in the queue: 1 is next; else 0
   * @domain: (nullable): of one that starts, the VM's name in libvirt, once it has one
   *
   * Tells how far a create or a run is that was asked for with @self, while it has no answer: when
   * that changed, as seen twice a second. One that is served at once tells nothing. Nobody is asked
   * unless somebody listens when the request is made.
   *
   * Handlers run in the main context where the request's callback will; within a call that waits,
   * in its thread.
   */
  signals[SIGNAL_PROGRESS]
      = g_signal_new ("progress", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                      G_TYPE_NONE, 3, G_TYPE_STRING, G_TYPE_UINT, G_TYPE_STRING);
}

static void
init_reach_properties (GParamFlags flags)
{
  /**
   * BerthSpec:allow: (setter set_allow)
   *
   * Names that the sandbox's programs may reach, as far as berthd's settings let them: NAME, or
   * NAME:PORT,PORT with other ports than 80 and 443; *.NAME is every name below it.
   */
  properties[PROP_ALLOW] = g_param_spec_boxed ("allow", NULL, NULL, G_TYPE_STRV, flags);
  /**
   * BerthSpec:allow-all: (setter set_allow_all)
   *
   * Whether the sandbox's programs may reach all that berthd's settings let any sandbox reach.
   */
  properties[PROP_ALLOW_ALL] = g_param_spec_boolean ("allow-all", NULL, NULL, FALSE, flags);
}

/* How long a sandbox that stays is there, and is ready */
static void
init_life_properties (GParamFlags flags)
{
  /**
   * BerthSpec:builder: (setter set_builder)
   *
   * Whether the sandbox that is created is one that layers of templates are built in, as `berth
   * template build` does: its VM boots with the image's layer "builder" on top of those of its
   * template, and commands have root's rights in it. For administrators.
   */
  properties[PROP_BUILDER] = g_param_spec_boolean ("builder", NULL, NULL, FALSE, flags);
  /**
   * BerthSpec:attached: (setter set_attached)
   *
   * Whether a sandbox that is created ends with the connection of the client that created it: when
   * the client is freed, its process dies, or berthd is restarted.
   */
  properties[PROP_ATTACHED] = g_param_spec_boolean ("attached", NULL, NULL, FALSE, flags);
  /**
   * BerthSpec:idle-timeout-ms: (setter set_idle_timeout_ms)
   *
   * After how many milliseconds a sandbox that is created ends when nobody uses it, 10,000 at
   * least and no more than berthd's own setting, idle_timeout_s, which 0 stands for.
   */
  properties[PROP_IDLE_TIMEOUT_MS]
      = g_param_spec_uint ("idle-timeout-ms", NULL, NULL, 0, G_MAXUINT, 0, flags);
  /**
   * BerthSpec:idle-pause-ms: (setter set_idle_pause_ms)
   *
   * After how many milliseconds a sandbox that is created is paused when nobody uses it, 1,000 at
   * least; where berthd's own setting, idle_pause_s, is not 0, that at most. 0 stands for the
   * setting. Paused it takes no vCPU, and the next request wakes it.
   */
  properties[PROP_IDLE_PAUSE_MS]
      = g_param_spec_uint ("idle-pause-ms", NULL, NULL, 0, G_MAXUINT, 0, flags);
  /**
   * BerthSpec:idle-hibernate-ms: (setter set_idle_hibernate_ms)
   *
   * After how many milliseconds a sandbox that is created is hibernated when nobody uses it, 1,000
   * at least; where berthd's own setting, idle_hibernate_s, is not 0, that at most. 0 stands for
   * the setting. Hibernated it takes no place, and the next request has it go on.
   */
  properties[PROP_IDLE_HIBERNATE_MS]
      = g_param_spec_uint ("idle-hibernate-ms", NULL, NULL, 0, G_MAXUINT, 0, flags);
}

static void
berth_spec_class_init (BerthSpecClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;

  object_class->finalize = berth_spec_finalize;
  object_class->get_property = berth_spec_get_property;
  object_class->set_property = berth_spec_set_property;
  /**
   * BerthSpec:template:
   *
   * What the sandbox is made from: "python" (%NULL, too), "javascript", "shell", or one of the
   * administrator's own.
   */
  properties[PROP_TEMPLATE] = g_param_spec_string ("template", NULL, NULL, NULL, flags);
  /**
   * BerthSpec:memory-mb: (setter set_memory_mb)
   *
   * The guest's memory in MiB, 128 at least; 0 for the template's own.
   */
  properties[PROP_MEMORY_MB] = g_param_spec_uint ("memory-mb", NULL, NULL, 0, G_MAXUINT, 0, flags);
  /**
   * BerthSpec:tenant: (setter set_tenant)
   *
   * On whose behalf: 1 to 128 letters, digits, _ and -. Capacity is shared fairly between tenants.
   */
  properties[PROP_TENANT] = g_param_spec_string ("tenant", NULL, NULL, NULL, flags);
  /**
   * BerthSpec:task: (setter set_task)
   *
   * For what, in the caller's own words: 1 to 128 letters, digits, _ and -.
   */
  properties[PROP_TASK] = g_param_spec_string ("task", NULL, NULL, NULL, flags);
  /**
   * BerthSpec:wait-ms: (setter set_wait_ms)
   *
   * How long to wait at capacity, in milliseconds; or %BERTH_WAIT_DEFAULT, %BERTH_WAIT_FOREVER,
   * %BERTH_WAIT_NOT.
   */
  properties[PROP_WAIT_MS] = g_param_spec_int64 ("wait-ms", NULL, NULL, BERTH_WAIT_DEFAULT,
                                                 G_MAXINT64, BERTH_WAIT_DEFAULT, flags);
  init_life_properties (flags);
  init_reach_properties (flags);
  /**
   * BerthSpec:cold: (setter set_cold)
   *
   * Whether the sandbox's VM boots, where a warm one or a clone would be there sooner:
   * [method@Spec.open_boot_log] has the whole boot then.
   */
  properties[PROP_COLD] = g_param_spec_boolean ("cold", NULL, NULL, FALSE, flags);
  /**
   * BerthSpec:wait-gone: (setter set_wait_gone)
   *
   * Whether a run is answered after its VM is gone, instead of when its program's end is known.
   */
  properties[PROP_WAIT_GONE] = g_param_spec_boolean ("wait-gone", NULL, NULL, FALSE, flags);
  g_object_class_install_properties (object_class, N_PROPS, properties);
  install_signals (klass);
}

static void
berth_spec_init (BerthSpec *self)
{
  self->wait_ms = BERTH_WAIT_DEFAULT;
  self->boot_log = -1;
}

/**
 * berth_spec_new:
 * @template_name: (nullable): what the sandbox is made from; %NULL for "python"
 *
 * Asks for the defaults in all other respects.
 *
 * Returns: (transfer full): a spec
 */
BerthSpec *
berth_spec_new (const char *template_name)
{
  return g_object_new (BERTH_TYPE_SPEC, "template", template_name, NULL);
}

/**
 * berth_spec_set_memory_mb: (set-property memory-mb)
 * @self: a spec
 * @memory_mb: MiB, 128 at least; 0 for the template's own
 *
 * Sets [property@Spec:memory-mb].
 */
void
berth_spec_set_memory_mb (BerthSpec *self, guint memory_mb)
{
  g_object_set (self, "memory-mb", memory_mb, NULL);
}

/**
 * berth_spec_set_tenant: (set-property tenant)
 * @self: a spec
 * @tenant: (nullable): on whose behalf
 *
 * Sets [property@Spec:tenant].
 */
void
berth_spec_set_tenant (BerthSpec *self, const char *tenant)
{
  g_object_set (self, "tenant", tenant, NULL);
}

/**
 * berth_spec_set_task: (set-property task)
 * @self: a spec
 * @task: (nullable): for what
 *
 * Sets [property@Spec:task].
 */
void
berth_spec_set_task (BerthSpec *self, const char *task)
{
  g_object_set (self, "task", task, NULL);
}

/**
 * berth_spec_set_wait_ms: (set-property wait-ms)
 * @self: a spec
 * @wait_ms: milliseconds, or one of the constants BERTH_WAIT_...
 *
 * Sets [property@Spec:wait-ms].
 */
void
berth_spec_set_wait_ms (BerthSpec *self, gint64 wait_ms)
{
  g_object_set (self, "wait-ms", wait_ms, NULL);
}

/**
 * berth_spec_set_attached: (set-property attached)
 * @self: a spec
 * @attached: whether a sandbox ends with its client
 *
 * Sets [property@Spec:attached].
 */
void
berth_spec_set_attached (BerthSpec *self, gboolean attached)
{
  g_object_set (self, "attached", attached, NULL);
}

/**
 * berth_spec_set_idle_timeout_ms: (set-property idle-timeout-ms)
 * @self: a spec
 * @idle_timeout_ms: milliseconds; 0 for berthd's own setting
 *
 * Sets [property@Spec:idle-timeout-ms].
 */
void
berth_spec_set_idle_timeout_ms (BerthSpec *self, guint idle_timeout_ms)
{
  g_object_set (self, "idle-timeout-ms", idle_timeout_ms, NULL);
}

/**
 * berth_spec_set_idle_pause_ms: (set-property idle-pause-ms)
 * @self: a spec
 * @idle_pause_ms: milliseconds; 0 for berthd's own setting
 *
 * Sets [property@Spec:idle-pause-ms].
 */
void
berth_spec_set_idle_pause_ms (BerthSpec *self, guint idle_pause_ms)
{
  g_object_set (self, "idle-pause-ms", idle_pause_ms, NULL);
}

/**
 * berth_spec_set_idle_hibernate_ms: (set-property idle-hibernate-ms)
 * @self: a spec
 * @idle_hibernate_ms: milliseconds; 0 for berthd's own setting
 *
 * Sets [property@Spec:idle-hibernate-ms].
 */
void
berth_spec_set_idle_hibernate_ms (BerthSpec *self, guint idle_hibernate_ms)
{
  g_object_set (self, "idle-hibernate-ms", idle_hibernate_ms, NULL);
}

/**
 * berth_spec_set_allow: (set-property allow)
 * @self: a spec
 * @allow: (nullable) (array zero-terminated=1): names, with ports if need be
 *
 * Sets [property@Spec:allow].
 */
void
berth_spec_set_allow (BerthSpec *self, const char *const *allow)
{
  g_object_set (self, "allow", allow, NULL);
}

/**
 * berth_spec_set_allow_all: (set-property allow-all)
 * @self: a spec
 * @allow_all: whether all that may be reached at all
 *
 * Sets [property@Spec:allow-all].
 */
void
berth_spec_set_allow_all (BerthSpec *self, gboolean allow_all)
{
  g_object_set (self, "allow-all", allow_all, NULL);
}

/**
 * berth_spec_set_cold: (set-property cold)
 * @self: a spec
 * @cold: whether the VM boots
 *
 * Sets [property@Spec:cold].
 */
void
berth_spec_set_cold (BerthSpec *self, gboolean cold)
{
  g_object_set (self, "cold", cold, NULL);
}

/**
 * berth_spec_set_builder: (set-property builder)
 * @self: a spec
 * @builder: whether layers of templates are built in the sandbox
 *
 * Sets [property@Spec:builder].
 */
void
berth_spec_set_builder (BerthSpec *self, gboolean builder)
{
  g_object_set (self, "builder", builder, NULL);
}

/**
 * berth_spec_set_wait_gone: (set-property wait-gone)
 * @self: a spec
 * @wait_gone: whether a run is answered after its VM is gone
 *
 * Sets [property@Spec:wait-gone].
 */
void
berth_spec_set_wait_gone (BerthSpec *self, gboolean wait_gone)
{
  g_object_set (self, "wait-gone", wait_gone, NULL);
}

/**
 * berth_spec_open_boot_log:
 * @self: a spec
 *
 * What the VM of the next request with @self writes to its console while it boots, printable
 * characters only. It is empty where a warm VM or a clone serves: those do not boot, and
 * [property@Spec:cold] asks for one that does. It ends with
 * the boot, or with a request that is answered without one; a reader who is slow has ten seconds
 * more. Read it while the request waits.
 *
 * Returns: (transfer full): the console
 */
GInputStream *
berth_spec_open_boot_log (BerthSpec *self, GError **error)
{
  g_return_val_if_fail (BERTH_IS_SPEC (self), NULL);

  return berth_pipe_open_reader (&self->boot_log, error);
}

/**
 * berth_spec_set_boot_log_fd:
 * @self: a spec
 * @fd: a pipe, or one of an unnamed pair of Unix stream sockets, open for writing; the caller keeps
 * it and closes it, so that its reader sees the end
 *
 * As [method@Spec.open_boot_log], to a descriptor.
 *
 * Returns: %TRUE; %FALSE with %BERTH_ERROR_INVALID where @fd is no descriptor
 */
gboolean
berth_spec_set_boot_log_fd (BerthSpec *self, int fd, GError **error)
{
  g_return_val_if_fail (BERTH_IS_SPEC (self), FALSE);

  return berth_pipe_keep_copy (&self->boot_log, fd, BOOT_LOG_KEY, error);
}

gboolean
berth_spec_has_listeners (BerthSpec *self)
{
  return g_signal_has_handler_pending (self, signals[SIGNAL_PROGRESS], 0, FALSE);
}

void
berth_spec_tell (BerthSpec *self, const BerthStage *stage)
{
  g_signal_emit (self, signals[SIGNAL_PROGRESS], 0, stage->state, stage->position, stage->domain);
}

/* The rule for every name that berthd takes; NULL is none. */
gboolean
berth_spec_check_name (const char *what, const char *name, GError **error)
{
  if (name == NULL || berth_request_name_is_valid (name))
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%s: give 1 to %u letters, digits, _ and -",
               what, BERTH_REQUEST_NAME_MAX);
  return FALSE;
}

/* Writes what differs from the defaults as options of a D-Bus call: a create, or a run. A boot log
 * goes to @fds, and ends where it fails: somebody may read it already. */
gboolean
berth_spec_write (BerthSpec *self, GVariantDict *options, GUnixFDList *fds, gboolean is_create,
                  GError **error)
{
  if (self->boot_log >= 0
      && !berth_pipe_hand_over (&self->boot_log, BOOT_LOG_KEY, options, fds, error))
    return FALSE;
  return berth_option_write_object (
      BERTH_OPTION_SET_SANDBOX | (is_create ? BERTH_OPTION_SET_SESSION : BERTH_OPTION_SET_RUN),
      G_OBJECT (self), options, error);
}
