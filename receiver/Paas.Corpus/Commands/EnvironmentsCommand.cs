using System.CommandLine;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus environments [ENV]</c>: the platforms of a receiver and its linked hosts, or the base information of one (R2.2).</summary>
static class EnvironmentsCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var environment = new Argument<string?>("environment") { Description = "Only this one, with how to get in", HelpName = "ENV", Arity = ArgumentArity.ZeroOrOne };
        var command = new Command("environments", "The environments of a receiver and its linked hosts, or one of them with how to get in") { environment };
        command.SetAction(async (parsed, ct) =>
        {
            using var client = new ReceiverClient(Target.Of(parsed, null, surroundings), surroundings);
            var one = parsed.GetValue(environment);
            var text = await client.GetTextAsync(one is null ? "api/v1/environments" : $"api/v1/environments/{Uri.EscapeDataString(one)}", ct);
            if (surroundings.Json)
            {
                await surroundings.Out.WriteLineAsync(text);
                return Exit.Done;
            }

            if (one is not null)
            {
                Show(client.Read(text, ContractJson.Default.EnvironmentSummary), surroundings.Out);
                return Exit.Done;
            }

            var page = client.Read(text, ContractJson.Default.PageEnvironmentSummary);
            Table.Write(surroundings.Out, [["NAME", "TYPE", "MODE", "PROJECTS", "QUOTA", "TAGS", "UUID"],
                .. page.Items.Select(one => (string[])[
                    one.IsDefault ? $"{one.Name} (default)" : one.Name, one.Type, one.Mode, $"{one.Projects}", one.QuotaGigabytes is { } quota ? $"{quota} GB" : "-",
                    one.Tags.Count == 0 ? "-" : string.Join(',', one.Tags.Select(tag => $"{tag.Key}={tag.Value}")), one.Uuid.ToString()])]);
            Listing.Warn(page.Missing, surroundings);
            return Exit.Done;
        });
        return command;
    }

    static void Show(EnvironmentSummary one, TextWriter output)
    {
        output.WriteLine($"{one.Name} is a {one.Type} environment in {one.Mode} mode on {one.Host}, uuid {one.Uuid}");
        output.WriteLine($"  projects    {one.Projects}{(one.QuotaGigabytes is { } quota ? $", of at most {quota} GB together" : "")}");
        output.WriteLine($"  answers at  http://PROJECT.{one.Domain}");
        output.WriteLine($"  git         {one.Git}PROJECT.git");
        if (one.Ssh is { } ssh)
        {
            output.WriteLine($"  ssh         {ssh}PROJECT.git");
        }

        output.WriteLine($"  come with   your own token or key: corpus tokens add NAME, corpus keys add FILE");
    }
}
