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
- { name: CHARTWARDEN_DRAIN_TIMEOUT_MS, value: {{ .Values.drainTimeoutMs | int | quote }} }
{{- range $name, $value := .Values.config }}
{{- /* Helm hands every number over as a float64, which toString would write as 4.194304e+06. */}}
- { name: {{ $name }}, value: {{ ternary (printf "%.0f" (float64 $value)) (toString $value) (kindIs "float64" $value) | quote }} }
{{- end }}
{{- end }}

{{- define "chartwarden.mounts" -}}
- { name: chartwarden-database, mountPath: /etc/chartwarden/database, readOnly: true }
- { name: chartwarden-master-key, mountPath: /etc/chartwarden/master-key, readOnly: true }
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
    - { name: CHARTWARDEN_GRPC_ADDR, value: "127.0.0.1:50051" }
    - { name: CHARTWARDEN_HTTP_ADDR, value: "127.0.0.1:8080" }
    # Nothing leaves the pod.
    - { name: CHARTWARDEN_TLS_BY_PROXY, value: "true" }
  startupProbe:
    exec: { command: [node, deploy/health.ts] }
    periodSeconds: 2
    timeoutSeconds: 3
    failureThreshold: 60
  readinessProbe:
    exec: { command: [node, deploy/health.ts] }
    periodSeconds: 10
    timeoutSeconds: 3
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  volumeMounts:
    {{- include "chartwarden.mounts" . | nindent 4 }}
{{- end }}
