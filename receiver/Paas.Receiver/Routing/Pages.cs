using System.Text;

namespace Paas.Receiver.Routing;

/// <summary>What a visitor sees when no application answers. Immutable, in memory: a page must not wait for a disk.</summary>
sealed class Pages(IReadOnlyDictionary<string, byte[]> own)
{
    /// <summary>The names under which a project may have a page of its own.</summary>
    public static readonly IReadOnlyList<string> Names = ["401", "403", "404", "413", "502", "503", "504", Maintenance];

    /// <summary>Shown instead of <c>503</c> in maintenance mode.</summary>
    public const string Maintenance = "maintenance";

    /// <summary>Short, and silent about the machine behind it.</summary>
    public static readonly Pages Plain = new(new Dictionary<string, byte[]>());

    public byte[] Of(int status, bool maintenance)
    {
        if ((maintenance && own.TryGetValue(Maintenance, out var page)) || own.TryGetValue(status.ToString(), out page))
        {
            return page;
        }

        var (title, text) = status switch
        {
            StatusCodes.Status401Unauthorized => ("Who are you?", "This address asks for a name and a password."),
            StatusCodes.Status403Forbidden => ("Not from here", "This address is not open to visitors from where you are."),
            StatusCodes.Status404NotFound => ("Not found", "There is no application at this address."),
            StatusCodes.Status413PayloadTooLarge => ("Too large", "The request is larger than is accepted here."),
            StatusCodes.Status502BadGateway => ("No answer", "The application did not answer. Its owner can find the reason in its log."),
            StatusCodes.Status503ServiceUnavailable when maintenance => ("Back soon", "The application is being worked on. Please come again later."),
            StatusCodes.Status503ServiceUnavailable => ("One moment", "The application is starting. Please try again in a moment."),
            StatusCodes.Status504GatewayTimeout => ("No answer in time", "The application took too long to answer."),
            _ => ("Not possible", "The request cannot be answered."),
        };
        return Encoding.UTF8.GetBytes($"<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{status} {title}</title><h1>{title}</h1><p>{text}</p></html>\n");
    }
}
