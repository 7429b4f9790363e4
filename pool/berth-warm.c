/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides how many warm VMs of a template are wanted, and when another try to make one is due. */
#include "berth-warm.h"

#include <math.h>

#include "berth-capacity.h"

#define RATE_WINDOW_US (60 * G_TIME_SPAN_SECOND) /* how long an arrival is remembered */
#define REFILL_WEIGHT 0.3                        /* of the newest refill in the mean */
#define REFILL_DEFAULT_S 1.0                     /* until one was measured */
/* A short program is over by then. The start of a clone keeps both CPUs of a small host busy for
 * longer than that, and a run beside it took 2.5 times as long (measured); who comes meanwhile does
 * not wait for it, but starts a clone at once. */
#define HOLD_BACK_US (G_TIME_SPAN_MILLISECOND * 250)
#define FALL_AFTER_US (60 * G_TIME_SPAN_SECOND) /* how long less must have been enough */
#define IGNORED_DEMAND 0.02                     /* VMs: so rare a use keeps none warm */
#define BACKOFF_FIRST_US G_TIME_SPAN_SECOND
#define BACKOFF_MAX_US (5 * G_TIME_SPAN_MINUTE)

struct _BerthWarm
{
  char *template_name;
  char *tenant_key; /* (nullable) */
  BerthWarmTarget target;
  gboolean is_drained;
  guint generation;

  double rate_per_s; /* as of rate_at_us; decays */
  gint64 rate_at_us;
  double refill_s;

  guint wanted;         /* within the target's bounds */
  gint64 lower_from_us; /* since when less has been enough; 0 while it is not */
  guint lower_peak;     /* the most that was needed since then */

  guint failed_refills; /* in a row */
  guint failed_claims;  /* likewise: a VM that can be made but not used is as bad */
  char *last_error;
  gint64 not_before_us;
  gint64 held_back_until_us; /* no refill before */
};

BerthWarm *
berth_warm_new (const char *template_name, const char *tenant_key)
{
  BerthWarm *self = g_new0 (BerthWarm, 1);

  self->template_name = g_strdup (template_name);
  self->tenant_key = g_strdup (tenant_key);
  self->refill_s = REFILL_DEFAULT_S;
  return self;
}

void
berth_warm_free (BerthWarm *self)
{
  g_free (self->template_name);
  g_free (self->tenant_key);
  g_free (self->last_error);
  g_free (self);
}

const char *
berth_warm_get_template (BerthWarm *self)
{
  return self->template_name;
}

const char *
berth_warm_get_tenant_key (BerthWarm *self)
{
  return self->tenant_key;
}

gboolean
berth_warm_is_of (BerthWarm *self, const char *template_name, const char *tenant_key)
{
  return g_str_equal (self->template_name, template_name)
         && g_strcmp0 (self->tenant_key, tenant_key) == 0;
}

BerthShape
berth_warm_get_shape (BerthWarm *self)
{
  return *BERTH_SHAPE (self->template_name, self->target.memory_mb, self->target.vcpus);
}

gboolean
berth_warm_is_for (BerthWarm *self, const BerthRequest *request)
{
  return self->tenant_key == NULL || g_str_equal (self->tenant_key, request->tenant_key);
}

const BerthWarmTarget *
berth_warm_get_target (BerthWarm *self)
{
  return &self->target;
}

void
berth_warm_set_target (BerthWarm *self, const BerthWarmTarget *target)
{
  self->target = *target;
  self->target.max = MAX (target->min, target->max);
}

void
berth_warm_set_drained (BerthWarm *self, gboolean drained)
{
  self->is_drained = drained;
}

gboolean
berth_warm_is_drained (BerthWarm *self)
{
  return self->is_drained;
}

void
berth_warm_forgive (BerthWarm *self)
{
  self->failed_refills = 0;
  self->failed_claims = 0;
  self->not_before_us = 0;
  g_clear_pointer (&self->last_error, g_free);
}

void
berth_warm_next_generation (BerthWarm *self)
{
  self->generation++;
}

guint
berth_warm_get_generation (BerthWarm *self)
{
  return self->generation;
}

static double
warm_get_rate (BerthWarm *self, gint64 now_us)
{
  double age = (double)MAX (now_us - self->rate_at_us, 0) / RATE_WINDOW_US;

  return self->rate_per_s * exp (-age);
}

void
berth_warm_note_arrival (BerthWarm *self, gint64 now_us)
{
  self->rate_per_s = warm_get_rate (self, now_us) + (double)G_TIME_SPAN_SECOND / RATE_WINDOW_US;
  self->rate_at_us = now_us;
}

static void
warm_clear_error (BerthWarm *self)
{
  if (self->failed_refills + self->failed_claims > 0)
    return;
  self->not_before_us = 0;
  g_clear_pointer (&self->last_error, g_free);
}

void
berth_warm_note_refill (BerthWarm *self, gint64 took_us)
{
  double took_s = (double)took_us / G_TIME_SPAN_SECOND;

  self->refill_s += REFILL_WEIGHT * (took_s - self->refill_s);
  self->failed_refills = 0;
  warm_clear_error (self);
}

void
berth_warm_note_given (BerthWarm *self, gint64 now_us)
{
  self->held_back_until_us = now_us + HOLD_BACK_US;
}

gboolean
berth_warm_is_holding_back (BerthWarm *self, gint64 now_us)
{
  return now_us < self->held_back_until_us;
}

void
berth_warm_note_claim (BerthWarm *self)
{
  self->failed_claims = 0;
  warm_clear_error (self);
}

static void
warm_back_off (BerthWarm *self, const char *message, gint64 now_us)
{
  guint failures = self->failed_refills + self->failed_claims;
  gint64 delay_us = BACKOFF_FIRST_US << MIN (failures - 1, 16);

  g_free (self->last_error);
  self->last_error = g_strdup (message);
  self->not_before_us = now_us + MIN (delay_us, BACKOFF_MAX_US);
}

void
berth_warm_note_failed_refill (BerthWarm *self, const char *message, gint64 now_us)
{
  self->failed_refills++;
  warm_back_off (self, message, now_us);
}

void
berth_warm_note_failed_claim (BerthWarm *self, const char *message, gint64 now_us)
{
  self->failed_claims++;
  warm_back_off (self, message, now_us);
}

/* Little's law: so many requests come while one VM is made. */
static guint
warm_get_demand (BerthWarm *self, gint64 now_us)
{
  double demand = warm_get_rate (self, now_us) * self->refill_s;
  double vms = demand < IGNORED_DEMAND ? 0 : ceil (MIN (demand, 1e6));

  return CLAMP ((guint)vms, self->target.min, self->target.max);
}

guint
berth_warm_get_wanted (BerthWarm *self, gint64 now_us)
{
  guint demand = warm_get_demand (self, now_us);

  self->wanted = CLAMP (self->wanted, self->target.min, self->target.max);
  if (demand >= self->wanted)
    {
      self->wanted = demand;
      self->lower_from_us = 0;
    }
  else if (self->lower_from_us == 0)
    {
      self->lower_from_us = now_us;
      self->lower_peak = demand;
    }
  else
    {
      self->lower_peak = MAX (self->lower_peak, demand);
    }
  if (self->lower_from_us != 0 && now_us - self->lower_from_us >= FALL_AFTER_US)
    {
      self->wanted = self->lower_peak;
      self->lower_from_us = 0;
    }
  return self->is_drained ? 0 : self->wanted;
}

/* what one more brings falls with how many there are: the first serves most */
double
berth_warm_get_worth (BerthWarm *self, guint have, gint64 now_us)
{
  return warm_get_rate (self, now_us) / (have + 1);
}

gboolean
berth_warm_may_refill (BerthWarm *self, gint64 now_us)
{
  return now_us >= self->not_before_us;
}

gint64
berth_warm_next_wakeup_us (BerthWarm *self, gint64 now_us)
{
  gint64 wakeup_us = G_MAXINT64;

  if (self->not_before_us > now_us)
    wakeup_us = self->not_before_us;
  if (self->held_back_until_us > now_us)
    wakeup_us = MIN (wakeup_us, self->held_back_until_us);
  if (self->lower_from_us != 0)
    wakeup_us = MIN (wakeup_us, self->lower_from_us + FALL_AFTER_US);
  else if (self->wanted > self->target.min)
    wakeup_us = MIN (wakeup_us, now_us + FALL_AFTER_US); /* the rate falls meanwhile */
  return wakeup_us;
}

guint
berth_warm_get_failures (BerthWarm *self)
{
  return self->failed_refills + self->failed_claims;
}

const char *
berth_warm_get_last_error (BerthWarm *self)
{
  return self->last_error;
}
