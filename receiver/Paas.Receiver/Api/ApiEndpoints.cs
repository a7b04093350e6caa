using System.Text.Json.Serialization;
using Paas.Receiver.Contract;

namespace Paas.Receiver.Api;

/// <summary>The HTTP API (contract.md): <c>/healthz</c> for everybody, <c>/api/v1</c> behind <see cref="ApiDoor"/>.</summary>
static class ApiEndpoints
{
    public static IServiceCollection AddApi(this IServiceCollection services, ThisHost host) => services
        .AddSingleton(host)
        .AddSingleton<ApiDoor>()
        .AddSingleton<Pace>()
        .AddSingleton<Versions>()
        .AddSingleton<RepeatedOrders>()
        .AddSingleton<Hosts.HostLinks>()
        .AddSingleton<Hosts.HostCalls>()
        .AddSingleton<Neighbours>()
        .AddOpenApi("v1", description => description.ShouldInclude = route => route.RelativePath?.StartsWith("api/", StringComparison.Ordinal) == true)
        .AddSingleton<Desk>()
        .AddSingleton<Credentials>()
        .AddSingleton<Summaries>()
        .AddSingleton<AccessNotices>()
        .AddSingleton<EventStream>()
        .ConfigureHttpJsonOptions(json =>
        {
            // The generated context brings the types, these options their manners: the web's defaults take "7" for 7.
            json.SerializerOptions.TypeInfoResolverChain.Insert(0, ContractJson.Default);
            json.SerializerOptions.NumberHandling = JsonNumberHandling.Strict;
            json.SerializerOptions.AllowDuplicateProperties = false;
            json.SerializerOptions.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
        });

    public static void MapApi(this WebApplication app)
    {
        var door = app.Services.GetRequiredService<ApiDoor>();
        app.Use((HttpContext context, RequestDelegate next) => door.ServeAsync(context, next));
        app.MapHealth();
        app.MapGet("/manifest.schema.json", () => Results.File(Path.Combine(AppContext.BaseDirectory, "manifest.schema.json"), "application/schema+json"));
        app.MapOpenApi();
        var api = app.MapGroup("/api/v1");
        api.MapHosts();
        api.MapEnvironments();
        api.MapProjects();
        api.MapReleases();
        api.MapImport();
        api.MapDeployments();
        api.MapData();
        api.MapMarks();
        api.MapPipelines();
        api.MapSessions();
        api.MapSpace();
        api.MapDoctor();
        api.MapServerBackup();
        api.MapApplicationLogs();
        api.MapRun();
        api.MapFixes();
        api.MapDomains();
        api.MapFormations();
        api.MapDrains();
        api.MapCrons();
        api.MapTokens();
        api.MapKeys();
        api.MapUsers();
        api.MapAudit();
        api.MapWiring();
    }
}
