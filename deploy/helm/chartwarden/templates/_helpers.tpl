{{- define "chartwarden.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "chartwarden.selector" -}}
app.kubernetes.io/name: chartwarden
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "chartwarden.labels" -}}
{{ include "chartwarden.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{- define "chartwarden.image" -}}
{{- if .Values.image.digest }}{{ printf "%s@%s" .Values.image.repository .Values.image.digest }}{{ else }}{{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}{{ end }}
{{- end }}

{{- define "chartwarden.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "chartwarden.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
capabilities: { drop: [ALL] }
{{- end }}

{{/* Secrets are files, of mode 0440 (288): an environment shows in crash dumps and to everybody who may describe the pod's process. */}}
{{- define "chartwarden.environment" -}}
- { name: CHARTWARDEN_MODE, value: production }
- { name: DATABASE_URL, value: "@/etc/chartwarden/database/writer" }
- { name: CHARTWARDEN_FEED_DATABASE_URL, value: "@/etc/chartwarden/database/feed" }
- { name: CHARTWARDEN_QUERY_DATABASE_URL, value: "@/etc/chartwarden/database/query" }
- { name: CHARTWARDEN_MASTER_KEY_FILE, value: /etc/chartwarden/master-key/master.key }
- { name: CHARTWARDEN_JWKS, value: {{ .Values.tokens.jwks | quote }} }
- { name: CHARTWARDEN_JWT_ISSUER, value: {{ .Values.tokens.issuer | quote }} }
- { name: CHARTWARDEN_JWT_AUDIENCE, value: {{ .Values.tokens.audience | quote }} }
- { name: CHARTWARDEN_LOG_ORIGIN, value: {{ .Values.signer.origin | quote }} }
{{- if .Values.witnesses.policy }}
- { name: CHARTWARDEN_WITNESS_POLICY, value: /etc/chartwarden/witnesses/policy }
{{- end }}
- { name: CHARTWARDEN_DRAIN_TIMEOUT_MS, value: {{ .Values.drainTimeoutMs | int | quote }} }
{{- if .Values.kurrentdb.secretName }}
- { name: CHARTWARDEN_KURRENTDB_URL, value: "@/etc/chartwarden/kurrentdb/url" }
{{- end }}
{{- range $name, $value := .Values.config }}
{{- if not (regexMatch "^CHARTWARDEN_(BACKUP|DRILL)_" $name) }}
{{ include "chartwarden.variable" (list $name $value) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Helm hands every number over as a float64, which toString would write as 4.194304e+06. */}}
{{- define "chartwarden.variable" -}}
{{- $value := index . 1 -}}
- { name: {{ index . 0 }}, value: {{ ternary (printf "%.0f" (float64 $value)) (toString $value) (kindIs "float64" $value) | quote }} }
{{- end }}

{{/* Of the one container that makes backups. */}}
{{- define "chartwarden.backups" -}}
{{- with .Values.backup }}
{{- if .secretName }}
- { name: CHARTWARDEN_BACKUP_RECIPIENTS_FILE, value: /etc/chartwarden/backup/recipients }
{{- if .keys.identity }}
- { name: CHARTWARDEN_BACKUP_IDENTITY_FILE, value: /etc/chartwarden/backup/identity }
{{- end }}
{{- if .keys.drillUrl }}
- { name: CHARTWARDEN_DRILL_DATABASE_URL, value: "@/etc/chartwarden/backup/drill-url" }
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.config }}
{{- if regexMatch "^CHARTWARDEN_(BACKUP|DRILL)_" $name }}
{{ include "chartwarden.variable" (list $name $value) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "chartwarden.backupVolume" -}}
{{- with .Values.backup }}
{{- if .secretName }}
- name: backup
  secret:
    secretName: {{ .secretName | quote }}
    defaultMode: 288
    items:
      - { key: {{ .keys.recipients | quote }}, path: recipients }
      {{- if .keys.identity }}
      - { key: {{ .keys.identity | quote }}, path: identity }
      {{- end }}
      {{- if .keys.drillUrl }}
      - { key: {{ .keys.drillUrl | quote }}, path: drill-url }
      {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "chartwarden.envFrom" -}}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- range . }}
  - secretRef: { name: {{ . | quote }} }
  {{- end }}
{{- end }}
{{- end }}

{{/* Of a container that serves: the one with the signer store signs, and compares the ledgers with it by schedule. */}}
{{- define "chartwarden.unsigned" -}}
- { name: CHARTWARDEN_SIGNER_DIR, value: "off" }
- { name: CHARTWARDEN_SELF_CHECK_HOURS, value: "0" }
{{- end }}

{{/* Of a container that is called from within its pod alone. Nothing leaves the pod. */}}
{{- define "chartwarden.withinPod" -}}
- { name: CHARTWARDEN_GRPC_ADDR, value: "127.0.0.1:50051" }
- { name: CHARTWARDEN_HTTP_ADDR, value: "127.0.0.1:8080" }
- { name: CHARTWARDEN_TLS_BY_PROXY, value: "true" }
{{- end }}

{{- define "chartwarden.ownProbes" -}}
startupProbe:
  exec: { command: [node, deploy/health.ts] }
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 60
readinessProbe:
  exec: { command: [node, deploy/health.ts] }
  periodSeconds: 10
  timeoutSeconds: 3
{{- end }}

{{/* The pause, the drain, and what closing the database takes. */}}
{{- define "chartwarden.gracePeriod" -}}
{{ add 20 (div (add (int .Values.drainTimeoutMs) 999) 1000) }}
{{- end }}

{{/* A changed policy is read at the start. */}}
{{- define "chartwarden.annotations" -}}
{{- if .Values.witnesses.policy }}
checksum/witnesses: {{ .Values.witnesses.policy | sha256sum | quote }}
{{- end }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "chartwarden.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "chartwarden.mounts" -}}
- { name: chartwarden-database, mountPath: /etc/chartwarden/database, readOnly: true }
- { name: chartwarden-master-key, mountPath: /etc/chartwarden/master-key, readOnly: true }
{{- if .Values.kurrentdb.secretName }}
- { name: chartwarden-kurrentdb, mountPath: /etc/chartwarden/kurrentdb, readOnly: true }
{{- end }}
{{- if .Values.witnesses.policy }}
- { name: chartwarden-witnesses, mountPath: /etc/chartwarden/witnesses, readOnly: true }
{{- end }}
{{- end }}

{{- define "chartwarden.volumes" -}}
- name: chartwarden-database
  secret:
    secretName: {{ .Values.database.secretName | quote }}
    defaultMode: 288
    items:
      - { key: {{ .Values.database.keys.writer | quote }}, path: writer }
      - { key: {{ .Values.database.keys.feed | quote }}, path: feed }
      - { key: {{ .Values.database.keys.query | quote }}, path: query }
- name: chartwarden-master-key
  secret:
    secretName: {{ .Values.masterKey.secretName | quote }}
    defaultMode: 288
    items:
      - { key: {{ .Values.masterKey.key | quote }}, path: master.key }
{{- if .Values.kurrentdb.secretName }}
- name: chartwarden-kurrentdb
  secret: { secretName: {{ .Values.kurrentdb.secretName | quote }}, defaultMode: 288 }
{{- end }}
{{- if .Values.witnesses.policy }}
- name: chartwarden-witnesses
  configMap: { name: {{ include "chartwarden.name" . }}-witnesses }
{{- end }}
{{- end }}

{{/*
A container for `initContainers` of an application's pod: with restartPolicy Always it starts before the application, serves it on
localhost without leaving the pod, and ends after it. Its volumes are "chartwarden.volumes". The pod needs enableServiceLinks: false.
*/}}
{{- define "chartwarden.sidecar" -}}
- name: chartwarden
  image: {{ include "chartwarden.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  restartPolicy: Always
  securityContext:
    {{- include "chartwarden.containerSecurity" . | nindent 4 }}
  env:
    {{- include "chartwarden.environment" . | nindent 4 }}
    {{- include "chartwarden.withinPod" . | nindent 4 }}
    {{- include "chartwarden.unsigned" . | nindent 4 }}
  {{- with include "chartwarden.envFrom" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- include "chartwarden.ownProbes" . | nindent 2 }}
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  volumeMounts:
    {{- include "chartwarden.mounts" . | nindent 4 }}
{{- end }}
