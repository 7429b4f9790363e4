/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxml2 as templates and marks use it: bounded, no network, no DTD, errors with file and line. */
#pragma once

#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <libxml/tree.h>
#include <libxml/xpath.h>

#include <glib.h>

G_BEGIN_DECLS

G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlBuffer, xmlBufferFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlChar, xmlFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlDoc, xmlFreeDoc)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlParserCtxt, xmlFreeParserCtxt)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlXPathContext, xmlXPathFreeContext)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlXPathObject, xmlXPathFreeObject)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlRelaxNG, xmlRelaxNGFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlRelaxNGParserCtxt, xmlRelaxNGFreeParserCtxt)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlRelaxNGValidCtxt, xmlRelaxNGFreeValidCtxt)

#define BERTH_XML_MAX_BYTES (1024 * 1024) /* of one document */
#define BERTH_XML_QEMU_URI "http://libvirt.org/schemas/domain/qemu/1.0"
#define BERTH_XML_XINCLUDE_URI "http://www.w3.org/2001/XInclude"

void berth_xml_init (void);
char *berth_xml_read_file (const char *path, gsize *out_length, GError **error);
xmlDoc *berth_xml_parse (const char *data, gsize length, const char *path, GError **error);

gboolean berth_xml_is (const xmlNode *node, const char *uri, const char *name);
xmlNode *berth_xml_child (const xmlNode *parent, const char *uri, const char *name);
xmlNode *berth_xml_next (const xmlNode *node, const char *uri, const char *name);
char *berth_xml_dup_attribute (const xmlNode *node, const char *name);
gboolean berth_xml_is_blank (const xmlNode *node);
gboolean berth_xml_is_text (const char *text);
xmlXPathObject *berth_xml_find (xmlDoc *doc, const char *expression);
char *berth_xml_canonicalize (xmlDoc *doc);

xmlNode *berth_xml_add (xmlNode *parent, const char *name);
xmlNode *berth_xml_add_text (xmlNode *parent, const char *name, const char *text);
xmlNode *berth_xml_add_number (xmlNode *parent, const char *name, guint64 number);
void berth_xml_set (xmlNode *node, const char *name, const char *value);

void berth_xml_set_file (xmlDoc *doc, const char *path);
const char *berth_xml_get_file (const xmlNode *node);
void berth_xml_set_error (GError **error, int code, const xmlNode *node, const char *format, ...)
    G_GNUC_PRINTF (4, 5);

G_END_DECLS
