using System.Net;
using System.Text.Json;
using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>
/// Reference 3.10: CloudFlow's unmodified Python client, where a checkout of it is (<c>CLFPY</c>) and a python3 that has its one dependency. The raw requests of every call are replayed without it,
/// in <see cref="CloudFlowClients"/> and <see cref="CloudFlowContainers"/>.
/// </summary>
public sealed class TheVendorsClient(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    /// <summary>Each call of the client that needs no image, and each failure that it knows by name.</summary>
    const string Script = """
        import importlib.util, os, sys
        spec = importlib.util.spec_from_file_location("services_client", os.environ["CLFPY"] + "/clfpy/services_client.py")
        client = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(client)
        services, token = client.ServicesClient(sys.argv[1]), os.environ["CFG_TOKEN"]

        def fails(expected, call, *arguments):
            try:
                call(*arguments)
            except expected as error:
                print("{}: {}".format(expected.__name__, error))
            else:
                sys.exit("no " + expected.__name__)

        assert services.list_services(token) == []
        assert services.create_new_service(token, "svc1", {"rel_path": "up", "status_codes": "200", "interval": 5})["name"] == "svc1"
        fails(client.MethodNotAllowedException, services.create_new_service, token, "svc1")
        fails(client.BadRequestException, services.create_new_service, token, "Bad")
        services.print_service_list(token)
        services.print_service_status(token, "svc1")
        services.print_service_logs(token, "svc1")
        wanted = {"container-tag": "latest", "memory-reservation": 50, "memory-limit": 75, "container-port": 80, "environment": []}
        print(services.update_service(token, "svc1", wanted)["Error"])
        services.print_service_status(token, "svc1")
        for call in (services.get_service_status, services.get_service_logs, services.get_docker_credentials, services.delete_service):
            fails(client.ServiceNotFoundException, call, token, "other")
            fails(client.AuthenticationFailedException, call, "flow_" + "0" * 48, "svc1")
        fails(client.AuthenticationFailedException, services.list_services, "x")
        fails(client.AuthenticationFailedException, services.create_new_service, "x", "svc2")
        print(services.delete_service(token, "svc1")["Success"])
        assert services.list_services(token) == []
        """;

    readonly ReceiverProcess receiver = shared.Receiver;

    [VendorsClientFact]
    public async Task It_works_unmodified()
    {
        await receiver.AskApiAsync(HttpMethod.Post, "api/v1/environments", """{"type":"qa","name":"flow"}""");
        var (status, body) = await receiver.AskApiAsync(HttpMethod.Post, "api/v1/environments/flow/sessions");
        Assert.True(status == HttpStatusCode.OK, body);
        using var session = JsonDocument.Parse(body);
        var home = Places.NewScratch("python");

        var told = await new Command(VendorsClientFactAttribute.Python!, "-c", Script, $"{receiver.Address}servicectl-1/")
        {
            Environment = new Dictionary<string, string>(Command.CleanEnvironment)
            {
                ["HOME"] = home,
                ["NO_PROXY"] = "127.0.0.1",
                ["CLFPY"] = VendorsClientFactAttribute.Checkout!,
                ["CFG_TOKEN"] = session.RootElement.GetProperty("token").GetString()!,
            },
        }.OutputAsync();

        Assert.Contains($"1 services currently available:\nsvc1\n  Deployment path: http://127.0.0.1:{receiver.Port}/flow-svc1\n", told, StringComparison.Ordinal);
        Assert.Contains("Service status: unknown\nDesired count: unknown\nRunning count: unknown\nPending count: unknown\n", told, StringComparison.Ordinal);
        Assert.Contains($"Health-check path: http://127.0.0.1:{receiver.Port}/flow-svc1/up\nHealth-check interval: 5\nHealth-check status codes: 200\n", told, StringComparison.Ordinal);
        Assert.Contains("(service flow-svc1) was not updated: ", told, StringComparison.Ordinal);
        Directory.Delete(home, recursive: true);
    }
}

/// <summary>Runs where the client is, else is skipped with the reason.</summary>
public sealed class VendorsClientFactAttribute : FactAttribute
{
    public VendorsClientFactAttribute() => Skip = Checkout is null ? "CLFPY names no checkout of CloudFlow's Python client" : Python is null ? "no python3 has requests" : null;

    public static string? Checkout { get; } = System.Environment.GetEnvironmentVariable("CLFPY") is { Length: > 0 } place && File.Exists(Path.Combine(place, "clfpy", "services_client.py")) ? place : null;

    /// <summary>The first on PATH that can load what the client needs.</summary>
    public static string? Python { get; } = Checkout is null ? null : (System.Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(place => Path.Combine(place, "python3")).FirstOrDefault(HasRequests);

    static bool HasRequests(string program)
    {
        if (!File.Exists(program))
        {
            return false;
        }

        using var asked = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(program, ["-c", "import requests"]) { RedirectStandardError = true, UseShellExecute = false })!;
        asked.WaitForExit();
        return asked.ExitCode == 0;
    }
}
