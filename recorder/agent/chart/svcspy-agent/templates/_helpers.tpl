{{- define "agent.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "agent.selector" -}}
app.kubernetes.io/name: svcspy-agent
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "agent.labels" -}}
{{ include "agent.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "agent.args" -}}
- agent
- --to
- {{ .Values.bucket | quote }}
- --dir
- /var/lib/svcspy
- --listen
- ":{{ .Values.port }}"
- --secrets
- /etc/svcspy/secrets
- --every
- {{ .Values.every | quote }}
- --spool
- {{ .Values.spool | quote }}
- --profile
- {{ .Values.profile }}
- --redact
- {{ .Values.redact }}
- --services
- {{ .Values.services | int64 | toString | quote }}
- --all-namespaces
{{- with .Values.clusterName }}
- --cluster-name
- {{ . | quote }}
{{- end }}
{{- if .Values.configmapValues }}
- --configmap-values
{{- end }}
{{- if gt (int .Values.logsOfFailed) 0 }}
- --logs-of-failed
- {{ .Values.logsOfFailed | int64 | toString | quote }}
{{- end }}
{{- with .Values.grafana }}
- --grafana
- {{ . | quote }}
{{- end }}
{{- end }}
