/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What kind of sandbox a program asks for, and how berthd is told. */
#include "plugin/libberth/berth-spec-private.h"

#include "pool/berth-error.h"
#include "pool/berth-request.h"

/**
 * BerthSpec:
 *
 * What kind of sandbox is asked for: from which template, how large, for whom, and how long the
 * request waits when berth is at capacity.
 *
 * Every property has a default that works. A spec may be used for many requests, also at once, as
 * long as nobody changes it meanwhile.
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
  N_PROPS,
};
static GParamSpec *properties[N_PROPS]; /* lint: file-scope: set once in class_init */

static void
berth_spec_finalize (GObject *object)
{
  BerthSpec *self = BERTH_SPEC (object);

  g_free (self->template_name);
  g_free (self->tenant);
  g_free (self->task);
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
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
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
  /**
   * BerthSpec:attached: (setter set_attached)
   *
   * Whether a sandbox that is created ends with the connection of the client that created it: when
   * the client is freed, its process dies, or berthd is restarted.
   */
  properties[PROP_ATTACHED] = g_param_spec_boolean ("attached", NULL, NULL, FALSE, flags);
  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
berth_spec_init (BerthSpec *self)
{
  self->wait_ms = BERTH_WAIT_DEFAULT;
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

/* Writes what differs from the defaults as options of a D-Bus call: a create, or a run. */
gboolean
berth_spec_write (BerthSpec *self, GVariantDict *options, gboolean is_create, GError **error)
{
  if (!berth_spec_check_name ("template", self->template_name, error)
      || !berth_spec_check_name ("tenant", self->tenant, error)
      || !berth_spec_check_name ("task", self->task, error))
    return FALSE;
  if (self->template_name != NULL)
    g_variant_dict_insert (options, "template", "s", self->template_name);
  if (self->memory_mb != 0)
    g_variant_dict_insert (options, "memory_mb", "u", self->memory_mb);
  if (self->tenant != NULL)
    g_variant_dict_insert (options, "tenant", "s", self->tenant);
  if (self->task != NULL)
    g_variant_dict_insert (options, "task", "s", self->task);
  if (self->wait_ms != BERTH_WAIT_DEFAULT)
    g_variant_dict_insert (options, "wait_ms", "x", self->wait_ms);
  if (self->attached && is_create)
    g_variant_dict_insert (options, "attached", "b", TRUE);
  return TRUE;
}
