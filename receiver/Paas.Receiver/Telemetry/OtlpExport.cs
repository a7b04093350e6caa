using System.Diagnostics.Metrics;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Paas.Receiver.Tracing;

namespace Paas.Receiver.Telemetry;

/// <summary>Traces of pushes and the measurements over OTLP, as OpenTelemetry's own variables say (<c>OTEL_EXPORTER_OTLP_ENDPOINT</c>, …). A collector that is away costs nothing but its data.</summary>
sealed class OtlpExport : IDisposable
{
    const string Total = "_total";

    readonly Meter meter = new(Traces.SourceName);
    readonly TracerProvider traces;
    readonly MeterProvider metrics;

    OtlpExport(Measurements measurements)
    {
        foreach (var family in measurements.Recent())
        {
            Observe(measurements, family);
        }

        static void Name(ResourceBuilder resource) => resource.AddService("paas-receiver", serviceVersion: typeof(OtlpExport).Assembly.GetName().Version?.ToString());
        traces = Sdk.CreateTracerProviderBuilder().ConfigureResource(Name).AddSource(Traces.SourceName).AddOtlpExporter().Build();
        metrics = Sdk.CreateMeterProviderBuilder().ConfigureResource(Name).AddMeter(Traces.SourceName).AddOtlpExporter().Build();
    }

    /// <summary>Null when nobody is to be told.</summary>
    public static OtlpExport? StartIfWanted(IConfiguration settings, Measurements measurements) =>
        settings["OTEL_SDK_DISABLED"] != "true"
        && ((string[])["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"]).Any(name => settings[name] is { Length: > 0 })
            ? new OtlpExport(measurements) : null;

    /// <summary>What is not sent yet is sent, for a few seconds at most.</summary>
    public void Dispose()
    {
        traces.Dispose();
        metrics.Dispose();
        meter.Dispose();
    }

    void Observe(Measurements measurements, Family family)
    {
        var name = family.Name.EndsWith(Total, StringComparison.Ordinal) ? family.Name[..^Total.Length] : family.Name;
        switch (family.Type)
        {
            case "gauge":
                meter.CreateObservableGauge(name, () => Of(measurements, family.Name, ""), description: family.Help);
                break;
            case "counter":
                meter.CreateObservableCounter(name, () => Of(measurements, family.Name, ""), description: family.Help);
                break;
            default:
                meter.CreateObservableCounter(name + "_sum", () => Of(measurements, family.Name, "_sum"), description: family.Help);
                meter.CreateObservableCounter(name + "_count", () => Of(measurements, family.Name, "_count"), description: family.Help);
                break;
        }
    }

    static IEnumerable<Measurement<double>> Of(Measurements measurements, string family, string suffix) =>
        measurements.Recent().First(one => one.Name == family).Samples.Where(sample => sample.Suffix == suffix)
            .Select(sample => new Measurement<double>(sample.Value, sample.Labels.Select(label => new KeyValuePair<string, object?>(label.Name, label.Value))));
}
