using System.Reflection;
using Paas.Receiver.Contract;
using Paas.Receiver.Hosts;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Api;

/// <summary>The hosts that environments can be made on: this one, and other receivers that are linked (R2.2, R13.4, R15.2).</summary>
static class HostEndpoints
{
    static readonly string Version = typeof(HostEndpoints).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0";

    public static void MapHosts(this RouteGroupBuilder api)
    {
        api.MapGet("/hosts", async (HttpContext context, ThisHost host, ProjectStore projects, Neighbours neighbours) =>
            TypedResults.Ok(new Page<HostSummary>([Of(host, projects), .. await neighbours.HostsAsync(context)]))).WithName("hosts.list");

        api.MapPut("/hosts/{name}", LinkAsync).WithName("hosts.link");

        api.MapDelete("/hosts/{name}", (string name, HttpContext context, Desk desk, HostLinks links) =>
        {
            desk.Administrator(context);
            return links.Remove(name) ? TypedResults.NoContent() : throw ProblemException.Missing("such host");
        }).WithName("hosts.unlink");
    }

    /// <summary>Nothing is kept of a host that does not answer as a receiver that the token may administer (R13.4: "check the info to attach the node").</summary>
    static async Task<IResult> LinkAsync(
        string name, HostOrder order, HttpContext context, Desk desk, ThisHost here, HostLinks links, Neighbours neighbours, AccessNotices notices, TimeProvider time)
    {
        var asker = desk.Administrator(context);
        if (name == here.Name || name is "localhost")
        {
            throw new Refusal($"'{name}' is this host.");
        }

        var host = LinkedHost.Parse(name, order.Url, order.Token, time.GetUtcNow(), asker.Caller.Name);
        var seen = await neighbours.MeetAsync(host, context.RequestAborted);
        var isNew = links.Find(name) is null;
        links.Put(host);
        Desk.Note(context, host.Url.ToString());
        if (isNew)
        {
            notices.Tell(context, seen);
        }

        return Results.Json(seen, ContractJson.Default.HostSummary, statusCode: isNew ? StatusCodes.Status201Created : StatusCodes.Status200OK);
    }

    static HostSummary Of(ThisHost host, ProjectStore projects)
    {
        var disk = new DriveInfo(host.Root);
        return new HostSummary
        {
            Name = host.Name,
            State = "here",
            Version = Version,
            Addresses = [host.Address.ToString()],
            SshPort = host.SshPort,
            Domain = host.Domain,
            GuestType = "process",
            Types = [.. host.Types.Select(EnvironmentEndpoints.Word)],
            FreeBytes = disk.AvailableFreeSpace,
            TotalBytes = disk.TotalSize,
            Environments = projects.Environments().Count,
        };
    }
}
