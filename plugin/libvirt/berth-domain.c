/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What berth does to libvirt's domains: blocking calls, each on the thread that makes it. */
#include "berth-domain.h"

#include <gio/gunixsocketaddress.h>

#include "berth-console.h"
#include "berth-domain-handle.h"
#include "berth-libvirt-error.h"
#include "berth-mark.h"
#include "berth-qmp.h"
#include "berth-stream-bridge.h"
#include "berth-xml.h"

#define STOP_TIMEOUT_US (5 * G_USEC_PER_SEC)
#define STOP_POLL_US 1000

gboolean
berth_domain_is_name_taken (virConnectPtr connection, const char *name)
{
  g_auto (virDomainPtr) domain = virDomainLookupByName (connection, name);

  if (domain == NULL)
    berth_libvirt_error_take_code ();
  return domain != NULL;
}

/* (nullable): of the first element or attribute that @xpath finds */
static char *
find_content (const char *xml, const char *xpath)
{
  g_autoptr (xmlDoc) doc = berth_xml_parse (xml, strlen (xml), "domain", NULL);
  g_autoptr (xmlXPathObject) found = doc != NULL ? berth_xml_find (doc, xpath) : NULL;
  g_autoptr (xmlChar) text = NULL;

  if (found == NULL || xmlXPathNodeSetIsEmpty (found->nodesetval))
    return NULL;
  text = xmlNodeGetContent (found->nodesetval->nodeTab[0]);
  return g_strdup ((const char *)text);
}

/* Why it could not be created, by libvirt's last error. */
static void
set_start_error (virConnectPtr connection, const char *xml, GError **error)
{
  int code = berth_libvirt_error_get_code ();
  int blame = berth_libvirt_error_blame (code);
  g_autoptr (GError) reason = NULL;
  g_autofree char *uuid = find_content (xml, "/domain/uuid");

  berth_libvirt_error_set (&reason, blame,
                           blame == BERTH_ERROR_CONFIG ? "libvirt refuses the domain"
                                                       : "the domain does not start");
  if (code == VIR_ERR_OPERATION_INVALID && uuid != NULL
      && berth_domain_is_active (connection, uuid))
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "somebody was faster: %s", reason->message);
  else
    g_propagate_error (error, g_steal_pointer (&reason));
}

gboolean
berth_domain_start (virConnectPtr connection, const char *xml, guint flags,
                    BerthDomainHandle *handle, char **out_live_xml, GError **error)
{
  const unsigned int how = (flags & BERTH_DOMAIN_START_PAUSED ? VIR_DOMAIN_START_PAUSED : 0)
                           | (flags & BERTH_DOMAIN_START_KNOWN ? 0 : VIR_DOMAIN_START_VALIDATE);
  g_auto (virDomainPtr) domain = virDomainCreateXML (connection, xml, how);
  char *live_xml;

  if (domain == NULL)
    {
      set_start_error (connection, xml, error);
      return FALSE;
    }
  live_xml = virDomainGetXMLDesc (domain, 0);
  if (live_xml == NULL)
    {
      berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, "the domain does not stay");
      return FALSE;
    }
  *out_live_xml = live_xml;
  berth_domain_handle_keep (handle, g_steal_pointer (&domain));
  return TRUE;
}

static virDomainPtr
look_up (virConnectPtr connection, const char *uuid, GError **error)
{
  virDomainPtr domain = virDomainLookupByUUIDString (connection, uuid);

  if (domain == NULL)
    berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, "the domain is gone");
  return domain;
}

static virDomainPtr
look_up_by (BerthDomainHandle *handle, virConnectPtr connection, const char *uuid, GError **error)
{
  virDomainPtr kept = berth_domain_handle_take (handle, connection);

  return kept != NULL ? kept : look_up (connection, uuid, error);
}

/* NULL in *@out_domain: there is none. FALSE: libvirt does not say. */
static gboolean
look_up_any (virConnectPtr connection, const char *uuid, virDomainPtr *out_domain, GError **error)
{
  *out_domain = virDomainLookupByUUIDString (connection, uuid);
  if (*out_domain == NULL && berth_libvirt_error_get_code () != VIR_ERR_NO_DOMAIN)
    {
      berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, "the domain can't be looked up");
      return FALSE;
    }
  if (*out_domain == NULL)
    berth_libvirt_error_take_code ();
  return TRUE;
}

static gboolean
domain_has_state (virDomainPtr domain, int wanted)
{
  int state = VIR_DOMAIN_NOSTATE;

  if (virDomainGetState (domain, &state, NULL, 0) != 0)
    berth_libvirt_error_take_code ();
  return state == wanted;
}

static gboolean
domain_has_reason (virDomainPtr domain, int wanted, int wanted_reason)
{
  int reason = -1;
  int state = VIR_DOMAIN_NOSTATE;

  if (virDomainGetState (domain, &state, &reason, 0) != 0)
    berth_libvirt_error_take_code ();
  return state == wanted && reason == wanted_reason;
}

static gboolean
domain_stands_by (virDomainPtr domain)
{
  return domain_has_reason (domain, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_UNKNOWN);
}

gboolean
berth_domain_stand_by (virConnectPtr connection, const char *uuid, GError **error)
{
  g_auto (virDomainPtr) domain = look_up (connection, uuid, error);
  gint64 end_us = g_get_monotonic_time () + STOP_TIMEOUT_US;

  if (domain == NULL || !berth_qmp_stop (domain, error))
    return FALSE;
  /* QEMU's event comes before its answer, and libvirt takes them in this order: once is enough */
  while (!domain_stands_by (domain))
    {
      if (g_get_monotonic_time () > end_us)
        {
          g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                               "the domain is not paused as berth does it");
          return FALSE;
        }
      g_usleep (STOP_POLL_US);
    }
  return TRUE;
}

gboolean
berth_domain_set_paused (virConnectPtr connection, const char *uuid, BerthDomainHandle *handle,
                         gboolean is_paused, GError **error)
{
  g_auto (virDomainPtr) domain = look_up_by (handle, connection, uuid, error);
  g_autoptr (GError) reason = NULL;

  if (domain == NULL)
    return FALSE;
  if ((is_paused ? virDomainSuspend (domain) : virDomainResume (domain)) == 0)
    {
      berth_domain_handle_keep (handle, g_steal_pointer (&domain));
      return TRUE;
    }
  berth_libvirt_error_set (&reason, BERTH_ERROR_UNAVAILABLE,
                           is_paused ? "the domain can't be paused"
                                     : "the domain can't be resumed");
  /* an administrator may have done it before */
  if (domain_has_state (domain, is_paused ? VIR_DOMAIN_PAUSED : VIR_DOMAIN_RUNNING))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&reason));
  return FALSE;
}

gboolean
berth_domain_save_state (virConnectPtr connection, const char *uuid, int fd, GError **error)
{
  g_auto (virDomainPtr) domain = look_up (connection, uuid, error);

  return domain != NULL && berth_qmp_save_state (domain, fd, error);
}

gboolean
berth_domain_load_state (virConnectPtr connection, const char *uuid, BerthDomainHandle *handle,
                         int fd, GError **error)
{
  g_auto (virDomainPtr) domain = look_up_by (handle, connection, uuid, error);

  if (domain == NULL || !berth_qmp_load_state (domain, fd, error))
    return FALSE;
  berth_domain_handle_keep (handle, g_steal_pointer (&domain));
  return TRUE;
}

gboolean
berth_domain_forget_load (virConnectPtr connection, const char *uuid, BerthDomainHandle *handle,
                          GError **error)
{
  g_auto (virDomainPtr) domain = look_up_by (handle, connection, uuid, error);

  if (domain == NULL || !berth_qmp_forget_load (domain, error))
    return FALSE;
  berth_domain_handle_keep (handle, g_steal_pointer (&domain));
  return TRUE;
}

gboolean
berth_domain_attach (virConnectPtr connection, const char *uuid, const char *device_xml,
                     GError **error)
{
  g_auto (virDomainPtr) domain = look_up (connection, uuid, error);

  if (domain == NULL)
    return FALSE;
  if (virDomainAttachDeviceFlags (domain, device_xml, VIR_DOMAIN_AFFECT_LIVE) == 0)
    return TRUE;
  berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, "libvirt can't plug it in");
  return FALSE;
}

gboolean
berth_domain_set_mark (virConnectPtr connection, const char *uuid, const char *mark_xml,
                       const char *title, GError **error)
{
  g_auto (virDomainPtr) domain = look_up (connection, uuid, error);

  if (domain == NULL)
    return FALSE;
  if (virDomainSetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT, mark_xml, BERTH_MARK_PREFIX,
                            BERTH_MARK_URI, VIR_DOMAIN_AFFECT_LIVE)
          == 0
      && virDomainSetMetadata (domain, VIR_DOMAIN_METADATA_TITLE, title, NULL, NULL,
                               VIR_DOMAIN_AFFECT_LIVE)
             == 0)
    return TRUE;
  berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, "the domain can't be marked");
  return FALSE;
}

/* FALSE, too, where libvirt does not answer: who takes silence for an end frees the place of a VM
 * that lives on. */
static gboolean
domain_is_over (virDomainPtr domain)
{
  int is_active = virDomainIsActive (domain);
  gboolean is_unknown = is_active < 0 && berth_libvirt_error_get_code () == VIR_ERR_NO_DOMAIN;

  berth_libvirt_error_take_code ();
  return is_active == 0 || is_unknown;
}

#define QUIT_POLL_US (10 * G_TIME_SPAN_MILLISECOND)
/* libvirt's own end of a domain takes 0.03 to 0.25 s once QEMU has ended. */
#define QUIT_WAIT_US G_TIME_SPAN_SECOND

/* Asks QEMU to end, and waits until libvirt has seen it. QEMU ends in 10 to 50 ms then, while
 * virDomainDestroy() first locks the domain for 200 ms, in which libvirt does not tell it. FALSE
 * says nothing: whoever calls it destroys the domain then. */
static gboolean
domain_quit (virDomainPtr domain)
{
  gint64 end_us = g_get_monotonic_time () + QUIT_WAIT_US;
  gboolean is_over = FALSE;

  if (!berth_qmp_quit (domain, NULL))
    return FALSE;
  while (!is_over && g_get_monotonic_time () < end_us)
    {
      g_usleep (QUIT_POLL_US);
      is_over = domain_is_over (domain);
    }
  return is_over;
}

/* TRUE when it does not run (any more). */
static gboolean
domain_destroy (virDomainPtr domain, GError **error)
{
  g_autoptr (GError) failure = NULL;

  if (virDomainDestroy (domain) == 0)
    return TRUE;
  /* Whatever the reason: what counts is whether it is active. It may have ended by itself
   * between. */
  berth_libvirt_error_set (&failure, BERTH_ERROR_UNAVAILABLE, "the domain can't be destroyed");
  if (domain_is_over (domain))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

/* TRUE when it is not defined (any more). */
static gboolean
domain_undefine (virDomainPtr domain, GError **error)
{
  const unsigned int everything
      = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | VIR_DOMAIN_UNDEFINE_NVRAM;
  int code;

  if (virDomainUndefineFlags (domain, everything) == 0)
    return TRUE;
  code = berth_libvirt_error_get_code ();
  if (code == VIR_ERR_INVALID_ARG || code == VIR_ERR_NO_SUPPORT)
    {
      if (virDomainUndefine (domain) == 0)
        return TRUE;
      code = berth_libvirt_error_get_code ();
    }
  /* the latter: a transient one, gone with its end */
  if (code == VIR_ERR_NO_DOMAIN || code == VIR_ERR_OPERATION_INVALID)
    {
      berth_libvirt_error_take_code ();
      return TRUE;
    }
  berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, "the domain can't be undefined");
  return FALSE;
}

/* 0: it is not active */
static guint
domain_get_id (virDomainPtr domain)
{
  guint id = virDomainGetID (domain);

  if (id != G_MAXUINT)
    return id;
  berth_libvirt_error_take_code ();
  return 0;
}

/* It runs, and not in the life of the number @id: what has ended since was restored. A handle that
 * is older than that does not know. */
static gboolean
domain_has_returned (virConnectPtr connection, const char *uuid, guint id)
{
  g_auto (virDomainPtr) domain = id != 0 ? look_up (connection, uuid, NULL) : NULL;
  guint number = domain != NULL ? domain_get_id (domain) : 0;

  return number != 0 && number != id;
}

/* TRUE when the life of the number @id is over: *@out_ending tells how. */
static gboolean
domain_stop (virDomainPtr domain, virConnectPtr connection, const char *uuid, guint id,
             BerthDomainEnding *out_ending, GError **error)
{
  gboolean is_over = domain_has_returned (connection, uuid, id) || domain_quit (domain)
                     || domain_has_returned (connection, uuid, id)
                     || domain_destroy (domain, error);

  if (is_over && domain_has_returned (connection, uuid, id))
    *out_ending = BERTH_DOMAIN_RETURNED;
  else if (is_over && domain_has_reason (domain, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_SAVED))
    *out_ending = BERTH_DOMAIN_SAVED;
  return is_over;
}

gboolean
berth_domain_end (virConnectPtr connection, const char *uri, const char *uuid, const char *name,
                  guint id, gboolean keeps_place, BerthDomainEnding *out_ending, GError **error)
{
  g_auto (virDomainPtr) domain = NULL;
  BerthDomainEnding ending = BERTH_DOMAIN_ENDED;

  if (!look_up_any (connection, uuid, &domain, error))
    return FALSE;
  if (domain == NULL)
    {
      if (!berth_domain_is_name_taken (connection, name))
        berth_console_remove_logs (uri, name);
      return TRUE;
    }
  if (!domain_stop (domain, connection, uuid, id, &ending, error))
    return FALSE;
  if (out_ending != NULL)
    *out_ending = ending;
  if (ending == BERTH_DOMAIN_RETURNED)
    return TRUE;
  /* while the domain is defined nobody else's has its name */
  berth_console_remove_logs (uri, virDomainGetName (domain));
  return (keeps_place && ending == BERTH_DOMAIN_ENDED) || domain_undefine (domain, error);
}

gboolean
berth_domain_is_active (virConnectPtr connection, const char *uuid)
{
  g_auto (virDomainPtr) domain = virDomainLookupByUUIDString (connection, uuid);

  if (domain == NULL)
    {
      berth_libvirt_error_take_code ();
      return FALSE;
    }
  return virDomainIsActive (domain) == 1;
}

gboolean
berth_domain_get_life (virConnectPtr connection, const char *uuid, guint *out_life, GError **error)
{
  g_auto (virDomainPtr) domain = NULL;
  gboolean is_known = look_up_any (connection, uuid, &domain, error);

  *out_life = domain != NULL ? domain_get_id (domain) : 0;
  return is_known;
}

void
berth_domain_drop_saved (virConnectPtr connection, const char *uuid)
{
  g_auto (virDomainPtr) domain = look_up (connection, uuid, NULL);

  if (domain != NULL && virDomainHasManagedSaveImage (domain, 0) == 1)
    virDomainManagedSaveRemove (domain, 0);
  berth_libvirt_error_take_code ();
}

gboolean
berth_domain_is_running (virConnectPtr connection, const char *uuid)
{
  g_auto (virDomainPtr) domain = look_up (connection, uuid, NULL);

  return domain != NULL && domain_has_state (domain, VIR_DOMAIN_RUNNING);
}

char *
berth_domain_dup_stop_status (virConnectPtr connection, const char *uuid)
{
  g_auto (virDomainPtr) domain = look_up (connection, uuid, NULL);

  return domain != NULL && domain_has_state (domain, VIR_DOMAIN_PAUSED)
             ? berth_qmp_dup_status (domain)
             : NULL;
}

BerthConnectionLimits
berth_domain_get_limits (virConnectPtr connection, const char *uuid)
{
  g_auto (virDomainPtr) domain = virDomainLookupByUUIDString (connection, uuid);
  BerthConnectionLimits limits = BERTH_CONNECTION_LIMITS_KNOWN;
  char *type = domain != NULL ? virDomainGetSchedulerType (domain, NULL) : NULL;
  int count = 0;

  if (type != NULL)
    limits |= BERTH_CONNECTION_LIMITS_CPU;
  else
    berth_libvirt_error_take_code ();
  free (type);
  if (domain != NULL && virDomainGetMemoryParameters (domain, NULL, &count, 0) == 0 && count > 0)
    limits |= BERTH_CONNECTION_LIMITS_MEMORY;
  else
    berth_libvirt_error_take_code ();
  return limits;
}

static void
limit_memory (virDomainPtr domain, const BerthDomainLimits *limits)
{
  virTypedParameterPtr values = NULL;
  int count = 0;
  int size = 0;

  if (virTypedParamsAddULLong (&values, &count, &size, VIR_DOMAIN_MEMORY_HARD_LIMIT,
                               limits->memory_kib)
          < 0
      || virDomainSetMemoryParameters (domain, values, count, VIR_DOMAIN_AFFECT_LIVE) < 0)
    berth_libvirt_error_take_code ();
  virTypedParamsFree (values, count);
}

static void
limit_cpu (virDomainPtr domain, const BerthDomainLimits *limits)
{
  virTypedParameterPtr values = NULL;
  int count = 0;
  int size = 0;

  if (virTypedParamsAddULLong (&values, &count, &size, VIR_DOMAIN_SCHEDULER_CPU_SHARES,
                               limits->cpu_shares)
          < 0
      || virTypedParamsAddULLong (&values, &count, &size, VIR_DOMAIN_SCHEDULER_GLOBAL_PERIOD,
                                  limits->cpu_period_us)
             < 0
      || virTypedParamsAddLLong (&values, &count, &size, VIR_DOMAIN_SCHEDULER_GLOBAL_QUOTA,
                                 (long long)limits->cpu_quota_us)
             < 0
      || virDomainSetSchedulerParametersFlags (domain, values, count, VIR_DOMAIN_AFFECT_LIVE) < 0)
    berth_libvirt_error_take_code ();
  virTypedParamsFree (values, count);
}

void
berth_domain_limit (virConnectPtr connection, const char *uuid, BerthDomainHandle *handle,
                    const BerthDomainLimits *limits)
{
  g_auto (virDomainPtr) domain = NULL;

  if (limits->memory_kib == 0 && limits->cpu_quota_us == 0)
    return; /* each start comes here, and the look-up is a question to libvirt */
  domain = berth_domain_handle_take (handle, connection);
  if (domain == NULL)
    domain = virDomainLookupByUUIDString (connection, uuid);
  if (domain == NULL)
    {
      berth_libvirt_error_take_code ();
      return;
    }
  if (limits->memory_kib > 0)
    limit_memory (domain, limits);
  if (limits->cpu_quota_us > 0)
    limit_cpu (domain, limits);
  berth_domain_handle_keep (handle, g_steal_pointer (&domain));
}

void
berth_own_domain_free (BerthOwnDomain *self)
{
  if (self == NULL)
    return;
  g_free (self->uuid);
  g_free (self->name);
  berth_mark_free (self->mark);
  g_free (self);
}

/* (transfer full) (nullable): its mark, if it is of @instance */
static BerthMark *
domain_dup_mark (virDomainPtr domain, const char *instance)
{
  /* not virDomainGetMetadata(): it gives the element without its namespace */
  g_autofree char *xml = virDomainGetXMLDesc (domain, 0);
  g_autoptr (BerthMark) mark = NULL;

  if (xml == NULL)
    {
      berth_libvirt_error_take_code (); /* it has just gone */
      return NULL;
    }
  mark = berth_mark_parse (xml, NULL);
  return mark != NULL && g_strcmp0 (mark->instance, instance) == 0 ? g_steal_pointer (&mark) : NULL;
}

/* (nullable): @domain, if it is of @instance */
static BerthOwnDomain *
own_domain_new (virDomainPtr domain, const char *instance)
{
  g_autoptr (BerthMark) mark = domain_dup_mark (domain, instance);
  char uuid[VIR_UUID_STRING_BUFLEN];
  virDomainInfo info = { 0 };
  BerthOwnDomain *self;

  if (mark == NULL || virDomainGetUUIDString (domain, uuid) < 0)
    return NULL;
  if (virDomainGetInfo (domain, &info) < 0)
    berth_libvirt_error_take_code ();
  self = g_new0 (BerthOwnDomain, 1);
  self->uuid = g_strdup (uuid);
  self->name = g_strdup (virDomainGetName (domain));
  self->mark = g_steal_pointer (&mark);
  self->memory_mb = (guint)(info.maxMem / 1024);
  self->vcpus = info.nrVirtCpu;
  self->is_active = virDomainIsActive (domain) == 1;
  self->id = domain_get_id (domain);
  self->is_paused = domain_has_state (domain, VIR_DOMAIN_PAUSED);
  self->stands_by = domain_stands_by (domain);
  return self;
}

/* ---- places ---- */

BerthDomainPlace
berth_domain_look_up_place (virConnectPtr connection, const char *instance, const char *name,
                            const char *uuid, char **out_definition)
{
  g_auto (virDomainPtr) domain = virDomainLookupByName (connection, name);
  g_autoptr (BerthMark) mark = NULL;
  char found[VIR_UUID_STRING_BUFLEN];

  if (domain == NULL)
    {
      berth_libvirt_error_take_code ();
      return BERTH_DOMAIN_PLACE_NONE;
    }
  if (virDomainGetUUIDString (domain, found) != 0 || !g_str_equal (found, uuid)
      || domain_get_id (domain) != 0)
    return BERTH_DOMAIN_PLACE_TAKEN;
  mark = domain_dup_mark (domain, instance);
  if (mark == NULL)
    return BERTH_DOMAIN_PLACE_TAKEN;
  *out_definition = g_strdup (mark->definition);
  return BERTH_DOMAIN_PLACE_DEFINED;
}

gboolean
berth_domain_define_place (virConnectPtr connection, const char *xml, GError **error)
{
  g_auto (virDomainPtr) domain = virDomainDefineXML (connection, xml);
  int code = domain != NULL ? VIR_ERR_OK : berth_libvirt_error_get_code ();

  if (code == VIR_ERR_OPERATION_FAILED) /* somebody has renamed one of ours */
    {
      berth_libvirt_error_take_code ();
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "another domain has its uuid");
    }
  else if (domain == NULL)
    berth_libvirt_error_set (error, berth_libvirt_error_blame (code), "libvirt refuses the domain");
  return domain != NULL;
}

gboolean
berth_domain_remove_place (virConnectPtr connection, const char *instance, const char *uuid,
                           GError **error)
{
  g_autoptr (BerthOwnDomain) own = berth_domain_find_own (connection, instance, uuid);
  g_auto (virDomainPtr) domain = NULL;

  if (own == NULL || own->is_active)
    return TRUE;
  domain = look_up (connection, uuid, NULL);
  return domain == NULL || domain_undefine (domain, error);
}

BerthOwnDomain *
berth_domain_find_own (virConnectPtr connection, const char *instance, const char *uuid)
{
  g_auto (virDomainPtr) domain = look_up (connection, uuid, NULL);

  return domain != NULL ? own_domain_new (domain, instance) : NULL;
}

GPtrArray *
berth_domain_list_own (virConnectPtr connection, const char *instance, GError **error)
{
  g_autoptr (GPtrArray) own
      = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_own_domain_free);
  g_autofree virDomainPtr *domains = NULL;
  int count = virConnectListAllDomains (connection, &domains, 0);

  if (count < 0)
    {
      berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, "can't list the domains");
      return NULL;
    }
  for (int i = 0; i < count; i++)
    {
      g_auto (virDomainPtr) domain = domains[i];
      BerthOwnDomain *found = own_domain_new (domain, instance);

      if (found != NULL)
        g_ptr_array_add (own, found);
    }
  return g_steal_pointer (&own);
}

GPtrArray *
berth_domain_list_counted (virConnectPtr connection)
{
  GPtrArray *counted = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_counted_free);
  g_autofree virDomainPtr *domains = NULL;
  int count = virConnectListAllDomains (connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

  for (int i = 0; i < count; i++)
    {
      g_auto (virDomainPtr) domain = domains[i];
      g_autofree char *xml = virDomainGetXMLDesc (domain, 0);
      BerthCounted *found = xml != NULL ? berth_counted_parse (xml, NULL) : NULL;

      if (found != NULL)
        g_ptr_array_add (counted, found);
    }
  berth_libvirt_error_take_code (); /* one has just gone */
  return counted;
}

gboolean
berth_domain_has_ended (virConnectPtr connection, const char *uuid)
{
  g_auto (virDomainPtr) domain = NULL;
  gboolean is_known = look_up_any (connection, uuid, &domain, NULL);

  return domain != NULL ? domain_is_over (domain) : is_known;
}

char *
berth_domain_dup_live_xml (virConnectPtr connection, const char *uuid, GError **error)
{
  g_auto (virDomainPtr) domain = look_up (connection, uuid, error);
  char *xml = domain != NULL ? virDomainGetXMLDesc (domain, 0) : NULL;

  if (domain != NULL && xml == NULL)
    berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, "the domain is gone");
  return xml;
}

char *
berth_domain_dup_channel_path (const char *live_xml, const char *port)
{
  g_autofree char *xpath = g_strdup_printf (
      "/domain/devices/channel[@type='unix'][target/@name='%s']/source/@path", port);

  return find_content (live_xml, xpath);
}

guint
berth_domain_read_id (const char *live_xml)
{
  g_autofree char *text = find_content (live_xml, "/domain/@id");
  guint64 id = 0;

  if (text != NULL)
    g_ascii_string_to_unsigned (text, 10, 0, G_MAXINT, &id, NULL);
  return (guint)id;
}

char *
berth_domain_dup_console_path (const char *live_xml)
{
  return find_content (live_xml, "/domain/devices/serial/log/@file"
                                 "|/domain/devices/serial[@type='file']/source/@path");
}

static GSocket *
connect_path (const char *path, GError **error)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  g_autoptr (GSocket) socket
      = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, error);

  if (socket == NULL || !g_socket_connect (socket, address, NULL, error))
    return NULL;
  return g_steal_pointer (&socket);
}

GSocket *
berth_domain_connect_port (virConnectPtr connection, const char *uuid, const char *path,
                           const char *port, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_auto (virDomainPtr) domain = NULL;
  GSocket *socket = path != NULL ? connect_path (path, &reason) : NULL;

  if (socket != NULL)
    return socket;
  domain = virDomainLookupByUUIDString (connection, uuid);
  if (domain == NULL)
    {
      berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, "the domain is gone");
      return NULL;
    }
  /* not open to us in qemu:///system where we are not root; libvirt opens it, at 0.2 ms an
   * answer */
  if (reason != NULL)
    g_debug ("%s: %s", path, reason->message);
  socket = berth_stream_bridge_open (connection, domain, port, error);
  if (socket == NULL && reason != NULL)
    g_prefix_error (error, "%s: %s; ", path, reason->message);
  return socket;
}
